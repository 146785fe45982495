import { parentPort } from 'node:worker_threads'

import { reasonOf } from '#targets/reason-of.ts'

import type { ReceiptRequest } from './receipt-request.ts'
import { renderReceipt, type RenderedReceipt } from './render-receipt.ts'

/** What the thread answers to a request: `mistake` is why no receipt can be made of it. */
export type RenderAnswer = RenderedReceipt | { mistake: string }

// A module that acts when it is run, as those of processes do: it is the thread's.
parentPort?.on('message', (request: ReceiptRequest) => {
  void answer(request)
})

async function answer(request: ReceiptRequest): Promise<void> {
  try {
    const rendered = await renderReceipt(request)
    parentPort?.postMessage(rendered satisfies RenderAnswer, [rendered.bytes.buffer])
  } catch (error) {
    parentPort?.postMessage({ mistake: reasonOf(error) } satisfies RenderAnswer, [])
  }
}
