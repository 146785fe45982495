import { exampleOrder } from '#messages/example-order.ts'
import type { Call } from '#targets/target.ts'

/** One try at telling a target of the example order. */
export function exampleCall(call: Partial<Call> = {}): Call {
  return {
    order: {
      ...exampleOrder('WEB-10042'),
      id: '0199ad5e-6c1f-7a68-9a5e-0d5b3c3f1a01',
      receivedAt: '2026-11-22T10:15:01.000Z',
    },
    message: {
      id: '0199ad5e-6c20-7b11-8b1e-6f0a6a3b2c02',
      kind: 'order.placed',
      orderId: '0199ad5e-6c1f-7a68-9a5e-0d5b3c3f1a01',
      payload: null,
      createdAt: '2026-11-22T10:15:01.000Z',
    },
    answers: {},
    file: async () => undefined,
    standing: async () => ({
      isCancelled: false,
      untold: [],
      others: [],
      isReplayed: false,
      told: [],
    }),
    attempt: 1,
    idempotencyKey: '0199ad5e-6c20-7b11-8b1e-6f0a6a3b2c02:erp',
    signal: AbortSignal.timeout(30_000),
    ...call,
  }
}
