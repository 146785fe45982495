import { printable, printableJson } from '#base/printable.ts'
import { suggestName } from '#base/suggest-name.ts'
import { defineCommand, usageError, type Context } from '#cli/command.ts'
import { formatTable } from '#cli/format-table.ts'
import { formatTime } from '#cli/format-time.ts'
import { reasonOption } from '#cli/read-reason.ts'
import { withDatabase } from '#cli/with-database.ts'
import { readChanges } from '#limits/read-changes.ts'
import { readLimits } from '#limits/read-limits.ts'

import { describeTargets } from './describe-targets.ts'
import { setTarget } from './set-target.ts'
import { testTarget } from './test-target.ts'
import { unknownTarget } from './unknown-target.ts'

const name = 'targets'
const actions = ['list', 'set', 'changes', 'test']

export const targets = defineCommand({
  name,
  summary:
    'Shows each target’s limits, circuit and pause; sets how much it may be called; tries it',
  usage:
    '[list] [--json] | changes <target> [--json] | set <target> [--concurrency <number>] [--rate <calls>/<seconds>] | test <target> --order <id or externalId> [--dry-run | --yes]',
  positionals: { least: 0, most: 2, missing: '' },
  options: {
    concurrency: {
      type: 'string',
      value: 'number',
      summary: 'Calls at a time by all workers together, or "default": the configuration’s',
    },
    rate: {
      type: 'string',
      value: 'calls/seconds',
      summary: 'Calls that may begin in so many seconds, for example 10/1; "none" or "default"',
    },
    reason: reasonOption,
    'no-wait': { type: 'boolean', summary: 'Does not wait until a lower concurrency holds' },
    order: { type: 'string', value: 'order', summary: 'Which order to tell it of, for test' },
    message: {
      type: 'string',
      value: 'kind',
      summary: 'Which of the order’s messages, for test; order.placed if left out',
    },
    'dry-run': { type: 'boolean', summary: 'Only shows what test would send' },
    yes: { type: 'boolean', summary: 'Tests what does something again, or moves money, too' },
    json: { type: 'boolean', summary: 'For programs' },
  },
  async run({ values, positionals: [action = 'list', target] }, context) {
    const json = values.json ?? false
    switch (action) {
      case 'list':
        refuse({ ...values, json: undefined }, action)
        if (target !== undefined) throw usageError(name, `"${target}" is one argument too many`)
        return list({ json }, context)
      case 'changes':
        refuse({ ...values, json: undefined }, action)
        return listChanges({ target: named(target), json }, context)
      case 'test':
        return test(named(target), values, context)
      case 'set':
        refuseTest(values)
        return setTarget(named(target), { ...values, json }, context)
      default:
        throw usageError(
          name,
          `it does not know "${action}"${suggestName(action, actions) || ': say list, set, changes or test'}`,
        )
    }
  },
})

function refuse(values: Readonly<Record<string, unknown>>, action: string): void {
  const given = Object.entries(values).find(([, value]) => value !== undefined)
  if (given) throw usageError(name, `${action} takes no --${given[0]}`)
}

function test(
  target: string,
  given: Readonly<Record<string, string | boolean | undefined>>,
  context: Context,
): Promise<number> {
  const {
    order,
    message = 'order.placed',
    'dry-run': dryRun = false,
    yes = false,
    json = false,
    ...rest
  } = given
  refuse(rest, 'test')
  if (typeof order !== 'string') throw usageError(name, 'test of which order? Give --order')
  const asked = { target, order, message: String(message) }
  return testTarget(
    { ...asked, dryRun: dryRun === true, isMeant: yes === true, json: json === true },
    context,
  )
}

function refuseTest({
  order,
  message,
  'dry-run': dryRun,
  yes,
}: Readonly<Record<string, unknown>>): void {
  refuse({ order, message, 'dry-run': dryRun, yes }, 'set')
}

function named(target: string | undefined): string {
  if (target) return target
  throw usageError(name, 'which target? Give its name')
}

async function list({ json }: { json: boolean }, { environment, print }: Context): Promise<number> {
  const { at, targets: all } = await withDatabase(environment, ({ db }) => readLimits(db))
  print(json ? printableJson(all) : describeTargets(all, at))
  return 0
}

async function listChanges(
  { target, json }: { target: string; json: boolean },
  { environment, print }: Context,
): Promise<number> {
  const changes = await withDatabase(environment, async ({ db }) => {
    const found = await readChanges(db, target)
    // One that was taken out of the configuration long ago still has its history.
    if (
      found.length === 0 &&
      !(await readLimits(db)).targets.some((known) => known.target === target)
    )
      throw await unknownTarget(db, target)
    return found
  })
  if (json) print(printableJson(changes))
  else if (changes.length === 0) print(`Nothing has changed about ${target} yet.`)
  else
    print(
      formatTable([
        ['at', 'change', 'by', 'reason'],
        ...changes.map(({ at, change, who, reason }) => [
          formatTime(at),
          change,
          who,
          printable(reason ?? ''),
        ]),
      ]),
    )
  return 0
}
