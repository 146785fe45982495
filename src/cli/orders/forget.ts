import { printable, printableJson } from '#base/printable.ts'
import { defineCommand, usageError } from '#cli/command.ts'
import { operator } from '#cli/operator.ts'
import { readReason, reasonOption } from '#cli/read-reason.ts'
import { withDatabase } from '#cli/with-database.ts'
import { forgetPerson, type Forgotten } from '#forget/forget-person.ts'

const name = 'forget'

export const forget = defineCommand({
  name,
  summary: 'Removes a person’s data from their orders, and keeps what the books need',
  usage:
    '--email <address> [--customer-id <id>] [--dry-run] [--even-open] [--reason <text>] [--json]',
  options: {
    email: { type: 'string', value: 'address', summary: 'Whose orders, in any case' },
    'customer-id': { type: 'string', value: 'id', summary: 'And those of this customer.id' },
    'dry-run': { type: 'boolean', summary: 'Says what would be done, and does nothing' },
    'even-open': {
      type: 'boolean',
      summary: 'Also orders that targets have yet to be told: those are not told any more',
    },
    reason: reasonOption,
    json: { type: 'boolean', summary: 'For programs' },
  },
  async run({ values }, { environment, print, warn }) {
    const request = {
      person: { email: readEmail(values.email), customerId: readId(values['customer-id']) },
      who: operator(),
      reason: readReason(name, values.reason),
      evenOpen: values['even-open'] ?? false,
      dryRun: values['dry-run'] ?? false,
      progress: sayNowAndThen(warn),
    }
    const done = await withDatabase(environment, ({ db }) => forgetPerson(db, request))
    print(values.json ? printableJson(done) : describe(done))
    return done.refusedCount > 0 ? 1 : 0
  },
})

function readEmail(given: string | undefined): string {
  const email = given?.trim() ?? ''
  if (/^[^\s@]+@[^\s@]+$/.test(email) && email.length <= 254) return email
  throw usageError(
    name,
    email === ''
      ? 'whom? Give --email <address>'
      : `--email is "${email}": that is no email address`,
  )
}

function readId(given: string | undefined): string | null {
  if (given === undefined) return null
  if (given !== '' && given.length <= 100) return given
  throw usageError(name, '--customer-id is 1 to 100 characters')
}

const sayEach = 200_000

function sayNowAndThen(warn: (line: string) => void): (lookedAt: number) => void {
  let next = sayEach
  return (lookedAt) => {
    if (lookedAt < next) return
    next = lookedAt + sayEach
    warn(`Looked at ${lookedAt} orders …`)
  }
}

function describe({ id, dryRun, orders, refused, refusedCount, masked }: Forgotten): string {
  const lines = dryRun
    ? [`${count(orders)} would be forgotten.`]
    : [`${count(orders)} forgotten, and ${masked} mentions elsewhere. This is recorded as ${id}.`]
  if (refusedCount === 0) return lines.join('\n')
  const canBeForced = refused.some(({ kept }) => kept.length === 0)
  return [
    ...lines,
    '',
    `${count(refusedCount)} left alone:`,
    ...refused.map(
      ({ externalId, orderId, open, kept }) =>
        `  ${externalId} (${orderId}): ${[...kept, ...open].join(', ')}`,
    ),
    ...(refusedCount > refused.length ? [`  and ${refusedCount - refused.length} more`] : []),
    '',
    `Run it again when they are done${canBeForced ? '; --even-open gives up on what is still to be told' : ''}.`,
  ]
    .map(printable)
    .join('\n')
}

function count(orders: number): string {
  return orders === 1 ? '1 order' : `${orders} orders`
}
