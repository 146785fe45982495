import { OrderwheelError } from '#base/errors.ts'
import { printable, printableJson } from '#base/printable.ts'
import { suggestName } from '#base/suggest-name.ts'
import type { Context } from '#cli/command.ts'
import { operator } from '#cli/operator.ts'
import { readReport } from '#cli/orders/read-story.ts'
import { withDatabase } from '#cli/with-database.ts'
import { loadConfig } from '#config/load-config.ts'
import type { Db } from '#database/open-database.ts'
import { callByHand, readByHand, tellByHand, type ByHand } from '#deliveries/tell-by-hand.ts'
import type { WrittenRequest } from '#targets/http/edit-request.ts'
import type { Target } from '#targets/target.ts'

import { checkTestable } from './check-testable.ts'
import { describeTest } from './describe-test.ts'
import { maskExchange, maskValues } from './mask-secrets.ts'
import { watchExchanges } from './watch-exchanges.ts'

type Given = {
  target: string
  order: string
  message: string
  dryRun: boolean
  isMeant: boolean
  json: boolean
}

/** Tells a target of an order by hand, and shows what was sent and answered, without secrets. */
export async function testTarget(given: Given, context: Context): Promise<number> {
  const { environment } = context
  const { targets } = await loadConfig({
    path: environment.configFile,
    environment: environment.variables,
  })
  try {
    const target = find(targets, given.target)
    checkTestable(target, given.isMeant || given.dryRun)
    return await withDatabase(environment, async ({ db }) => {
      const byHand = await findMessage(db, given)
      return given.dryRun
        ? showRequest({ target, byHand }, given, context)
        : await tell(db, { target, byHand }, { given, context })
    })
  } finally {
    await Promise.all(targets.map((target) => target.close()))
  }
}

function find(targets: readonly Target[], name: string): Target {
  const target = targets.find((one) => one.name === name)
  if (target) return target
  const names = targets.map((one) => one.name)
  throw new OrderwheelError(
    'not-found',
    `The configuration has no target "${name}"${suggestName(name, names) || `: it has ${names.join(', ')}`}.`,
  )
}

async function findMessage(db: Db, { target, order, message }: Given): Promise<ByHand> {
  const { id, externalId, messages } = await readReport(db, order)
  const byHand = await readByHand(db, target, { orderId: id, kind: message })
  if (byHand) return byHand
  const kinds = messages.map(({ kind }) => kind).join(', ')
  throw new OrderwheelError(
    'not-found',
    `Order ${externalId} has no message ${message}${kinds ? `, but ${kinds}` : ': its history is not kept any more'}.`,
  )
}

async function showRequest(
  { target, byHand }: { target: Target; byHand: ByHand },
  { json }: Given,
  { print, environment }: Context,
): Promise<number> {
  const written = await write(target, byHand)
  const mask = maskValues(environment.variables)
  const shown = 'text' in written ? { ...written, text: mask(written.text) } : written
  if (json) print(printableJson({ target: target.name, request: shown }))
  else print('text' in shown ? lines(shown.text) : shown.mistake)
  return 'text' in written ? 0 : 1
}

async function write(target: Target, byHand: ByHand): Promise<WrittenRequest> {
  if (!target.editing) return { mistake: `Only the code of ${target.name} knows what it sends.` }
  return target.editing.write(callByHand(target, byHand), undefined)
}

async function tell(
  db: Db,
  { target, byHand }: { target: Target; byHand: ByHand },
  { given, context }: { given: Given; context: Context },
): Promise<number> {
  const { environment, print } = context
  const watch = watchExchanges()
  const { deployment } = environment
  const told = await tellByHand(db, { target, byHand, deployment, who: operator() })
  watch.stop()
  if (told.kind === 'not-ours') throw new OrderwheelError('usage', `Not called. ${told.reason}`)
  const mask = maskValues(environment.variables)
  const { outcome, durationMs } = told
  const exchanges = watch.exchanges.map((one) => maskExchange(one, environment.variables))
  const request = exchanges.length > 0 ? undefined : await maskedText(target, byHand, mask)
  const test = { target: target.name, exchanges, request, outcome, durationMs }
  const shown = given.json ? mask(printableJson(test)) : lines(mask(describeTest(test)))
  print(shown)
  return outcome.kind === 'delivered' ? 0 : 1
}

/** What was not sent over HTTP, a mail. */
async function maskedText(
  target: Target,
  byHand: ByHand,
  mask: (text: string) => string,
): Promise<string | undefined> {
  const written = await write(target, byHand)
  return 'text' in written ? mask(written.text) : undefined
}

function lines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}
