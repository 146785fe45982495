import { printableJson } from '#base/printable.ts'
import { defineCommand } from '#cli/command.ts'
import { formatTable } from '#cli/format-table.ts'
import { formatTime } from '#cli/format-time.ts'
import { withDatabase } from '#cli/with-database.ts'
import { listUnknown, type UnknownPayment } from '#payments/list-unknown.ts'

export const listPayments = defineCommand({
  name: 'payments list',
  summary: 'Payments of which it is not known whether they were charged, the oldest first',
  usage: '[--json]',
  options: { json: { type: 'boolean', summary: 'For programs' } },
  async run({ values }, { environment, print }) {
    const unknown = await withDatabase(environment, ({ db }) => listUnknown(db))
    if (values.json) print(printableJson(unknown))
    else if (unknown.length === 0) print('Of every order it is known whether it was charged.')
    else print(describe(unknown))
    return 0
  },
})

function describe(unknown: readonly UnknownPayment[]): string {
  return formatTable([
    ['order', 'since', 'asked', 'next', 'what came of it'],
    ...unknown.map((one) => [
      one.externalId,
      formatTime(one.begunAt),
      one.attempts,
      sayNext(one),
      `${one.isCancelled ? 'cancelled; ' : ''}${one.reason ?? 'no answer yet'}`,
    ]),
  ])
}

function sayNext({ isBeingAsked, askedNextAt }: UnknownPayment): string {
  if (isBeingAsked) return 'now'
  return askedNextAt === null ? 'a person decides' : formatTime(askedNextAt)
}
