import { Worker } from 'node:worker_threads'

import type { ReceiptRequest } from './receipt-request.ts'
import type { RenderAnswer } from './render-thread.ts'

export type Renderer = {
  /** Rejects with the reason of `signal` when it aborts first, or when the thread dies of what it has to render. */
  render(request: ReceiptRequest, signal: AbortSignal): Promise<RenderAnswer>
  close(): Promise<void>
}

/**
 * Renders one receipt after the other in a thread of its own: 500 items take a quarter of a second, in which
 * nothing else of the process could run. The thread starts with the first receipt and ends when there is none for a while.
 */
export function openRenderer(idleMs = 60_000): Renderer {
  let thread: Worker | undefined
  let idle: NodeJS.Timeout | undefined
  let last: Promise<unknown> = Promise.resolve()

  function end(ended: Worker): Promise<unknown> {
    if (thread === ended) thread = undefined
    return ended.terminate()
  }

  async function renderNow(request: ReceiptRequest, signal: AbortSignal): Promise<RenderAnswer> {
    signal.throwIfAborted()
    clearTimeout(idle)
    const used = (thread ??= startThread(end))
    try {
      return await ask(used, request, signal)
    } catch (error) {
      // It is at work on what nobody waits for any more, or dead.
      await end(used)
      throw error
    } finally {
      idle = setTimeout(() => void end(used), idleMs).unref()
    }
  }

  return {
    render(request, signal) {
      const rendered = last.then(() => renderNow(request, signal))
      last = rendered.catch(() => {})
      return rendered
    },
    async close() {
      clearTimeout(idle)
      if (thread) await end(thread)
    },
  }
}

function startThread(ended: (thread: Worker) => unknown): Worker {
  const thread = new Worker(new URL('./render-thread.ts', import.meta.url), {
    // Twenty times what the largest order takes: past it the thread dies, not the process.
    resourceLimits: { maxOldGenerationSizeMb: 512 },
  })
  // Whoever waits for a receipt hears of it, too; without a listener it would end the process.
  thread.on('error', () => {})
  thread.once('exit', () => ended(thread))
  // While a receipt is being made somebody else keeps the process alive: whoever waits for it.
  thread.unref()
  return thread
}

function ask(thread: Worker, request: ReceiptRequest, signal: AbortSignal): Promise<RenderAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RenderAnswer>()
  const died = (code: number) => reject(new Error(`the thread that renders ended with ${code}`))
  const aborted = () => reject(signal.reason as Error)
  thread.once('message', resolve)
  thread.once('error', reject)
  thread.once('exit', died)
  signal.addEventListener('abort', aborted, { once: true })
  thread.postMessage(request, [])
  return promise.finally(() => {
    thread.off('message', resolve).off('error', reject).off('exit', died)
    signal.removeEventListener('abort', aborted)
  })
}
