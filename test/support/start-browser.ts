import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The name of a Chromium on this machine; undefined: there is none, which a test has to say. */
export function findBrowser(): string | undefined {
  return ['chromium', 'chromium-browser', 'google-chrome'].find(
    (name) => spawnSync(name, ['--version']).status === 0,
  )
}

export type Page = {
  /** The value of an expression in the page. */
  evaluate: (expression: string) => Promise<unknown>
  /** What the page was refused or complained of. */
  complaints: string[]
}

/** Opens a page in a real browser without a window; `stop` ends it with all it wrote. */
export async function openInBrowser(program: string, url: string) {
  const profile = await mkdtemp(join(tmpdir(), 'orderwheel-browser-'))
  const browser = spawn(
    program,
    [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--remote-debugging-port=0',
      `--user-data-dir=${profile}`,
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const stop = async () => {
    browser.kill('SIGKILL')
    if (browser.exitCode === null && browser.signalCode === null) await once(browser, 'exit')
    // Its helpers may still be writing.
    await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  }
  try {
    let said = ''
    for await (const chunk of browser.stderr) {
      said += String(chunk)
      if (/DevTools listening on \S+\s/.test(said)) break
    }
    const [, host = ''] = /DevTools listening on ws:\/\/([^/]+)\//.exec(said) ?? []
    const made = await fetch(`http://${host}/json/new?about:blank`, { method: 'PUT' })
    const { webSocketDebuggerUrl } = (await made.json()) as { webSocketDebuggerUrl: string }
    const page = await connect(webSocketDebuggerUrl)
    await page.send('Runtime.enable', {})
    await page.send('Log.enable', {})
    await page.send('Page.navigate', { url })
    return { page: asPage(page), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

type Answer = { id?: number; method?: string; result?: unknown; params?: unknown }

type Session = Awaited<ReturnType<typeof connect>>

async function connect(url: string) {
  const socket = new WebSocket(url)
  await once(socket, 'open')
  const waiting = new Map<number, (result: unknown) => void>()
  const complaints: string[] = []
  let sent = 0
  socket.addEventListener('message', ({ data }) => {
    const { id, method = '', result, params } = JSON.parse(String(data)) as Answer
    if (id !== undefined) waiting.get(id)?.(result)
    else if (method === 'Log.entryAdded' || method === 'Runtime.exceptionThrown')
      complaints.push(JSON.stringify(params))
  })
  const send = (method: string, params: object) =>
    new Promise<unknown>((resolve) => {
      sent += 1
      waiting.set(sent, resolve)
      socket.send(JSON.stringify({ id: sent, method, params }))
    })
  return { send, complaints }
}

function asPage({ send, complaints }: Session): Page {
  return {
    complaints,
    async evaluate(expression) {
      const { result } = (await send('Runtime.evaluate', { expression })) as {
        result: { value?: unknown }
      }
      return result.value
    },
  }
}
