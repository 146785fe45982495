import { printable, printableJson } from '#base/printable.ts'
import { defineCommand, usageError } from '#cli/command.ts'
import { operator } from '#cli/operator.ts'
import { readReport } from '#cli/orders/read-story.ts'
import { readReason, reasonOption } from '#cli/read-reason.ts'
import { withDatabase } from '#cli/with-database.ts'
import { settleByHand, type SettledByHand } from '#payments/settle-by-hand.ts'
import type { Settled } from '#payments/record-charge.ts'

const name = 'payments settle'

export const settlePayments = defineCommand({
  name,
  summary: 'Says of an order whether it was charged, as the gateway’s own console shows it',
  usage: '<id or externalId> --charged <reference> | --not-charged --reason <text> [--json]',
  positionals: { least: 1, most: 1, missing: 'which order? Give its id or externalId' },
  options: {
    charged: {
      type: 'string',
      value: 'reference',
      summary: 'It was, and this is what the gateway calls the charge: its targets are told',
    },
    'not-charged': {
      type: 'boolean',
      summary:
        'It was not, and will not be: the order is declined, and the reason shown to its buyer',
    },
    reason: reasonOption,
    json: { type: 'boolean', summary: 'For programs' },
  },
  async run({ values, positionals: [which = ''] }, { environment, print, warn }) {
    const reason = readReason(name, values.reason)
    const settled = readSettled(values.charged, values['not-charged'] ?? false, reason)
    const { id, externalId, done } = await withDatabase(environment, async ({ db }) => {
      const { id, externalId } = await readReport(db, which)
      const who = operator()
      return { id, externalId, done: await settleByHand(db, { orderId: id, settled, who, reason }) }
    })
    const refusal = refuse(done)
    if (refusal !== undefined) {
      warn(printable(`Order ${externalId}: ${refusal}`))
      return 1
    }
    print(
      values.json
        ? printableJson({ orderId: id, externalId, ...done })
        : printable(`Order ${externalId} is ${'state' in done ? done.state : ''} now.`),
    )
    return 0
  },
})

function readSettled(
  charged: string | undefined,
  notCharged: boolean,
  reason: string | null,
): Settled {
  if ((charged === undefined) === !notCharged)
    throw usageError(name, 'was it charged? Give --charged <reference> or --not-charged')
  if (charged === undefined) {
    if (reason === null) throw usageError(name, '--not-charged needs a --reason: the buyer sees it')
    return { kind: 'declined', reason }
  }
  const reference = charged.trim()
  if (reference === '' || reference.length > 255 || /\p{Cc}|\p{Cs}/u.test(reference))
    throw usageError(name, '--charged is what the gateway calls the charge: 1 to 255 characters')
  return { kind: 'approved', reference }
}

function refuse(done: SettledByHand): string | undefined {
  switch (done.kind) {
    case 'settled':
      return undefined
    case 'not-pending':
      return done.state === null
        ? 'it was not to be paid here.'
        : `it is known already: ${done.state}.`
    case 'being-asked':
      return `the gateway is being asked at this moment. Try again in ${done.secondsLeft} s.`
    default:
      return done satisfies never
  }
}
