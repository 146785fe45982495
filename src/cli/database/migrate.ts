import { createLog } from '#base/log.ts'
import { defineCommand, type Context } from '#cli/command.ts'
import { explainDatabaseErrors, withConnections } from '#cli/with-database.ts'
import { migrationStatus } from '#database/schema-version.ts'

import { bringUpToDate } from './bring-up-to-date.ts'

export const migrate = defineCommand({
  name: 'migrate',
  summary: 'Brings the database to this version’s schema; safe from several machines at once',
  usage: '[--status]',
  options: {
    status: {
      type: 'boolean',
      summary: 'Only shows what is applied; exit 1 when something is not',
    },
  },
  run: ({ values }, context) =>
    explainDatabaseErrors(() => (values.status ? showStatus(context) : apply(context))),
})

async function apply({ environment, print }: Context): Promise<number> {
  const log = createLog('migrate', environment.logLevel ?? 'warn')
  const applied = await bringUpToDate(environment, log)
  for (const name of applied) print(`Applied ${name}`)
  print(applied.length === 0 ? 'The database is up to date.' : 'The database is now up to date.')
  return 0
}

async function showStatus({ environment, print }: Context): Promise<number> {
  const migrations = await withConnections(environment, ({ db }) => migrationStatus(db))
  for (const { name, appliedAt } of migrations)
    print(`${appliedAt ?? 'not applied'.padEnd(24)}  ${name}`)
  return migrations.every(({ appliedAt }) => appliedAt !== null) ? 0 : 1
}
