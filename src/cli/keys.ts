import { printableJson } from '#base/printable.ts'
import { suggestName } from '#base/suggest-name.ts'
import { createKey } from '#keys/create-key.ts'
import { listKeys } from '#keys/list-keys.ts'
import { revokeKey } from '#keys/revoke-key.ts'
import { isScope, scopes, type Scope } from '#keys/scopes.ts'

import { groupCommands } from './command-group.ts'
import { defineCommand, usageError, type Context } from './command.ts'
import { formatTable } from './format-table.ts'
import { operator } from './operator.ts'
import { withDatabase } from './with-database.ts'

const name = 'keys'

const json = { type: 'boolean', summary: 'For programs' } as const

const createCommand = defineCommand({
  name: `${name} create`,
  summary: 'Makes a key, and shows it once',
  usage: '<name> --scope <scope> … [--rate <number>] [--json]',
  positionals: { least: 0, most: 1, missing: '' },
  options: {
    scope: {
      type: 'string',
      multiple: true,
      value: 'scope',
      summary: `What the key may do, repeatable: ${scopes.join(', ')}`,
    },
    rate: { type: 'string', value: 'number', summary: 'Requests a second (default 2000)' },
    json,
  },
  run: ({ values, positionals: [argument] }, context) =>
    create(
      { argument, scope: values.scope, rate: values.rate, json: values.json ?? false },
      context,
    ),
})

const listCommand = defineCommand({
  name: `${name} list`,
  summary: 'Every key, without the key itself',
  usage: '[--json]',
  options: { json },
  run: ({ values }, context) => list({ json: values.json ?? false }, context),
})

const revokeCommand = defineCommand({
  name: `${name} revoke`,
  summary: 'Ends a key: every api process refuses it within 10 s',
  usage: '<id, name or first characters>',
  positionals: { least: 0, most: 1, missing: '' },
  options: {},
  run: ({ positionals: [which] }, context) => revoke(which, context),
})

export const keys = groupCommands({
  name,
  summary: 'Makes, lists and revokes API keys',
  actions: { create: createCommand, list: listCommand, revoke: revokeCommand },
})

async function create(
  given: {
    argument: string | undefined
    scope: string[] | undefined
    rate: string | undefined
    json: boolean
  },
  { environment, print }: Context,
): Promise<number> {
  const keyName = given.argument ?? ''
  if (keyName.length === 0 || keyName.length > 100)
    throw usageError(name, 'create needs a name of 1 to 100 characters, for example "web shop"')
  const newKey = {
    name: keyName,
    scopes: readScopes(given.scope ?? []),
    ...(given.rate === undefined ? {} : { ratePerSecond: readRate(given.rate) }),
    who: operator(),
  }
  const made = await withDatabase(environment, ({ db }) => createKey(db, newKey))
  if (given.json) print(JSON.stringify(made))
  else {
    print(made.key)
    print(`This is key ${made.id}. Keep it now: it is stored nowhere and not shown again.`)
  }
  return 0
}

function readScopes(given: string[]): Scope[] {
  // orders:write,orders:read is what people try first.
  const written = [...new Set(given.flatMap((text) => text.split(',')).filter(Boolean))]
  const unknown = written.find((text) => !isScope(text))
  if (unknown !== undefined)
    throw usageError(
      name,
      `there is no scope "${unknown}"${suggestName(unknown, scopes) || `; there are ${scopes.join(', ')}`}`,
    )
  if (written.length === 0)
    throw usageError(name, `create needs --scope: one or more of ${scopes.join(', ')}`)
  return written.filter(isScope)
}

function readRate(text: string): number {
  const rate = /^\d+$/.test(text) ? Number(text) : 0
  if (rate >= 1 && rate <= 1_000_000) return rate
  throw usageError(name, `--rate is "${text}": write a whole number from 1 to 1000000`)
}

async function list({ json }: { json: boolean }, { environment, print }: Context): Promise<number> {
  const all = await withDatabase(environment, ({ db }) => listKeys(db))
  if (json) print(printableJson(all))
  else if (all.length === 0)
    print('No keys yet: orderwheel keys create "web shop" --scope orders:write')
  else
    print(
      formatTable([
        ['id', 'name', 'starts with', 'scopes', 'requests/s', 'made', 'revoked'],
        ...all.map((key) => [
          key.id,
          key.name,
          key.start,
          key.scopes.join(','),
          key.ratePerSecond,
          key.createdAt.toISOString().slice(0, 10),
          key.revokedAt?.toISOString().slice(0, 10) ?? '',
        ]),
      ]),
    )
  return 0
}

async function revoke(which: string | undefined, { environment, print }: Context): Promise<number> {
  if (!which) throw usageError(name, 'revoke needs the id of a key, its name or first characters')
  const key = await withDatabase(environment, ({ db }) => revokeKey(db, { which, who: operator() }))
  print(`Key ${key.id} (${key.name}) is revoked; every api process refuses it within 10 s.`)
  return 0
}
