export type SimulatedAnswer = {
  status: number
  /** Sent as JSON. */
  body: unknown
}

/** What a real system of this kind answers. `count` numbers what the target has acted on, from 1. */
export function usualAnswer(target: string, count: number): SimulatedAnswer {
  switch (target) {
    case 'erp':
      return { status: 201, body: { erpNumber: `ERP-${100_000 + count}`, status: 'accepted' } }
    case 'partner-webhook':
      return { status: 200, body: { received: true } }
    case 'inventory':
      return { status: 200, body: { reservation: `RES-${100_000 + count}`, reserved: true } }
    case 'receipt':
      return { status: 201, body: { receiptNumber: `REC-${100_000 + count}` } }
    case 'analytics':
      return { status: 202, body: { accepted: true } }
    default:
      return { status: 200, body: { ok: true } }
  }
}
