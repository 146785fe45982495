import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export type Proxy = {
  host: string
  port: number
  /** Swallows what is sent from now on, both ways, without a word: as a network that is gone. */
  cut(): void
  /** Closes every connection and refuses new ones. */
  close(): void
  /** Works again; what a cut held back arrives late, as TCP repeats it. */
  heal(): void
  /**
   * Lets the next commit of a transaction that sent `text` through, but not its answer: the connection is closed
   * instead. Resolves when that has happened.
   */
  loseAnswerOfCommit(text: string): Promise<void>
}

/** Starts a TCP proxy on a free port of 127.0.0.1 in front of a server. */
export async function startProxy(server: { host: string; port: number }) {
  const links = new Set<Link>()
  let state: 'open' | 'cut' | 'closed' = 'open'
  let losing: Losing | undefined
  const listener = createServer({ pauseOnConnect: true }, (client) => {
    if (state === 'closed') {
      client.destroy()
      return
    }
    const link = join(client, connect(server.port, server.host), () => losing)
    links.add(link)
    client.once('close', () => links.delete(link))
    if (state === 'open') link.flow()
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  const close = () => {
    state = 'closed'
    links.forEach((link) => link.end())
  }

  return {
    host: '127.0.0.1',
    port,
    cut() {
      state = 'cut'
      links.forEach((link) => link.hold())
    },
    close,
    heal() {
      state = 'open'
      links.forEach((link) => link.flow())
    },
    async loseAnswerOfCommit(text) {
      const { promise, resolve } = Promise.withResolvers<void>()
      losing = { text, lost: resolve }
      await promise
      losing = undefined
    },
    async stop() {
      close()
      await new Promise((resolve) => listener.close(resolve))
    },
  } satisfies Proxy & { stop: () => Promise<void> }
}

type Losing = { text: string; lost: () => void }

type Link = { hold: () => void; flow: () => void; end: () => void }

function join(client: Socket, server: Socket, losing: () => Losing | undefined): Link {
  let sentText = false
  let lost: (() => void) | undefined
  const sides = [client, server]
  const end = () => sides.forEach((side) => side.destroy())
  // Whoever hangs up first takes the other side along; why does not matter here.
  for (const side of sides) side.on('close', end).on('error', () => {})

  client.on('data', (chunk) => {
    const wanted = losing()
    sentText ||= wanted !== undefined && chunk.includes(wanted.text)
    if (isCommit(chunk)) {
      if (sentText) lost = wanted?.lost
      sentText = false
    }
    server.write(chunk)
  })
  server.on('data', (chunk) => {
    if (lost) {
      end()
      lost()
    } else client.write(chunk)
  })
  const hold = () => sides.forEach((side) => side.pause())
  hold()
  return { hold, flow: () => sides.forEach((side) => side.resume()), end }
}

function isCommit(chunk: Buffer): boolean {
  return /commit\0/i.test(chunk.toString('latin1'))
}
