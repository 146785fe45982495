export type SimulatedAnswer = {
  status: number
  /** Sent as JSON. */
  body: unknown
}

/** `path`: without the target's name and the query. `body`: parsed, undefined when it is not JSON. */
type Sent = { target: string; path: string; body: unknown }

/** What a real system of this kind answers. `number` is the one it gives to what it acts on. */
export function usualAnswer({ target, path, body }: Sent, number: number): SimulatedAnswer {
  const said: Record<string, unknown> = typeof body === 'object' ? { ...body } : {}
  switch (target) {
    case 'erp':
      return said['cancelled'] === true
        ? { status: 200, body: { status: 'cancelled' } }
        : { status: 201, body: { erpNumber: `ERP-${number}`, status: 'accepted' } }
    case 'partner-webhook':
      return { status: 200, body: { received: true } }
    case 'inventory-eu':
    case 'inventory-us':
    case 'inventory-asia':
      return said['released'] === true
        ? { status: 200, body: { reserved: false } }
        : { status: 200, body: { reservation: `RES-${number}`, reserved: true } }
    case 'receipt':
      return { status: 201, body: { receiptNumber: `REC-${number}` } }
    case 'analytics':
      return { status: 202, body: { accepted: true } }
    case 'crm':
      return {
        status: 200,
        body: { customerId: `CRM-${number}`, cancelled: said['cancelled'] === true },
      }
    case 'shipping':
      return path.endsWith('/void')
        ? { status: 200, body: { label: said['label'] ?? null, voided: true } }
        : {
            status: 200,
            body: {
              carrier: 'DHL',
              service: 'Paket',
              amount: 490,
              label: `LBL-${number}`,
              days: 2,
            },
          }
    case 'sms':
      return { status: 201, body: { sid: `SM${number}`, status: 'queued' } }
    case 'push':
      return { status: 200, body: { name: `projects/shop/messages/${number}` } }
    default:
      return { status: 200, body: { ok: true } }
  }
}

let lastNumber = 0

/**
 * The time in milliseconds since 2026, or one more than the last number: what was numbered before a restart
 * keeps its number to itself, up to a thousand numbers a second.
 */
export function nextNumber(): number {
  lastNumber = Math.max(lastNumber + 1, Date.now() - Date.UTC(2026, 0, 1))
  return lastNumber
}
