import { auditUsual } from '#targets/audit.ts'
import { commonOptions, fillTargetOptions } from '#targets/target-options.ts'
import type { TargetOptions } from '#targets/target.ts'

import { fillInEnvironment, findReferences, type Environment } from './fill-in-environment.ts'
import { hideSecrets } from './hide-secrets.ts'

/** A target as written, right or wrong, for people: every option in words, nothing secret in any. */
export type DescribedTarget = {
  name: string
  kind: string
  /** `method` is `PUT`; `url` is `https://***@erp.example.com/`, or `ERP_URL is not set`. */
  options: Record<string, string>
}

/** Every target of `definition`, with the environment and the defaults filled in. */
export function describeTargets(definition: unknown, environment: Environment): DescribedTarget[] {
  return Object.entries(membersOf(membersOf(definition)['targets'])).map(([name, written]) => {
    const { kind, options } = membersOf(written)
    return {
      name,
      kind: typeof kind === 'string' ? kind : 'no target',
      options: describeOptions(String(kind), membersOf(options), environment),
    }
  })
}

/** What counts when an option is left out; those that every kind takes are in `targetDefaults`. */
const defaults = new Map<string, Record<string, string>>([
  ['http', { method: 'POST' }],
  ['email', { to: 'the customer', timeZone: 'UTC' }],
  ['receipt', { number: 'the externalId', timeZone: 'UTC' }],
])

/** Of the options that every kind takes, those that have another default. */
const usualOf = new Map<string, Record<string, unknown>>([['audit', auditUsual]])

function describeOptions(
  kind: string,
  written: Record<string, unknown>,
  environment: Environment,
): Record<string, string> {
  const isCommon = ([option]: [string, unknown]) => Object.hasOwn(commonOptions, option)
  const common = Object.entries(written).filter(isCommon)
  const own = Object.entries(written).filter((entry) => !isCommon(entry))
  const given = Object.entries({ ...defaults.get(kind), ...Object.fromEntries(own) }).map(
    ([option, value]) => [
      option,
      sayMissing(value, environment) ??
        hideSecrets(option, fillInEnvironment(value, environment).filled),
    ],
  )
  return {
    ...Object.fromEntries(given),
    ...describeCommon({ ...usualOf.get(kind), ...Object.fromEntries(common) }, environment),
  }
}

function sayMissing(value: unknown, environment: Environment): string | undefined {
  const missing = findReferences(value).filter(
    ({ reference }) =>
      !environment[reference.environmentVariable] && reference.default === undefined,
  )
  if (missing.length === 0) return undefined
  const names = missing.map(({ reference }) => reference.environmentVariable)
  return `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} not set`
}

function describeCommon(
  written: Record<string, unknown>,
  environment: Environment,
): Record<string, string> {
  const filled = fillTargetOptions(membersOf(fillInEnvironment(written, environment).filled))
  return Object.fromEntries(
    Object.entries(filled).map(([option, value]) => [
      option,
      sayMissing(written[option], environment) ?? describeValue(option, value),
    ]),
  )
}

const absent: Readonly<Record<string, string>> = {
  circuit: 'never opens',
  droppable: 'no',
  keepLettersDays: 'for ever',
}

function describeValue(option: string, value: TargetOptions[keyof TargetOptions]): string {
  if (value === null) return absent[option] ?? 'no limit'
  if (Array.isArray(value)) return value.join(', ') || '-'
  if (typeof value !== 'object') return String(value)
  return Object.entries(value)
    .map(([part, one]) => `${part} ${one}`)
    .join(', ')
}

function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
