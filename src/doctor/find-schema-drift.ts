import { sql } from 'kysely'

import { readMigrations } from '#database/migrate.ts'
import type { Db } from '#database/open-database.ts'
import { migrationStatus } from '#database/schema-version.ts'

import type { Examination } from './examination.ts'
import type { Finding } from './finding.ts'
import { expectedSchema, readSchema } from './read-schema.ts'

export const schemaDrift: Examination = {
  subject: 'schema orderwheel, against what the migrations of this version make',
  async examine({ db }) {
    const status = await migrationStatus(db)
    const build = new Set((await readMigrations()).map(({ name }) => name))
    const missing = status.filter(({ appliedAt }) => !appliedAt).map(({ name }) => name)
    if (missing.length > 0) return { findings: [notMigrated(missing)] }
    const changed = await findChanged(db)
    const newer = status.find(({ name }) => !build.has(name))
    if (newer)
      return {
        findings: changed,
        unseen: `a newer version migrated this database (${newer.name}): ask its doctor`,
      }
    const drift = compare(await expectedSchema(), await readSchema(db))
    return { findings: [...changed, ...drift] }
  },
}

function notMigrated(missing: readonly string[]): Finding {
  return {
    kind: 'not-migrated',
    severity: 'error',
    what: `Migrations are missing: ${missing.join(', ')}.`,
    why: 'Processes of this version wait for them and do nothing.',
    fix: 'orderwheel migrate',
  }
}

async function findChanged(db: Db): Promise<Finding[]> {
  const { rows } = await sql<{ name: string; checksum: string }>`
    select name, checksum from orderwheel.schema_migrations`.execute(db)
  const applied = new Map(rows.map((row) => [row.name, row.checksum]))
  const changed = (await readMigrations()).filter(
    ({ name, checksum }) => applied.has(name) && applied.get(name) !== checksum,
  )
  return changed.map(({ name }) => ({
    kind: 'migration-changed',
    severity: 'error',
    what: `Migration ${name} is not the file that was applied to this database.`,
    why: 'What the database looks like is not what this version was written for, and "orderwheel migrate" refuses.',
    fix: `Restore migrations/${name} as it was applied, and put the change into a new migration.`,
  }))
}

// Beyond it, the first few say what happened.
const most = 20

function compare(
  expected: Readonly<Record<string, string>>,
  found: Readonly<Record<string, string>>,
): Finding[] {
  const differing = Object.entries(expected).filter(
    ([name, definition]) => found[name] !== definition,
  )
  // Of a table that is gone nobody needs to hear that its columns are.
  const gone = differing.flatMap(([name]) =>
    name.startsWith('table ') && found[name] === undefined ? [name.slice('table '.length)] : [],
  )
  const told = differing.filter(
    ([name]) => !gone.some((table) => name.includes(` ${table}.`) && !name.startsWith('table ')),
  )
  return told.slice(0, most).map(([name, definition]) => toFinding(name, definition, found[name]))
}

function toFinding(name: string, expected: string, found: string | undefined): Finding {
  const isGone = found === undefined
  const [kind, object] = splitOnce(name)
  const differs = /^[0-9a-f]{32}$/.test(expected)
    ? ''
    : `: it should be "${expected}", and is "${found}"`
  return {
    kind: 'schema-drift',
    // An index less makes it slow; anything else less makes it wrong.
    severity:
      kind === 'index' && isGone && !expected.startsWith('CREATE UNIQUE') ? 'warning' : 'error',
    what: `${kind[0]?.toUpperCase()}${kind.slice(1)} ${object} ${isGone ? 'is missing' : `was altered${differs}`}.`,
    why: 'Somebody changed the schema by hand: statements fail, become slow, or write what must not be.',
    fix: mend(kind, object, expected, isGone),
  }
}

function mend(kind: string, object: string, expected: string, isGone: boolean): string {
  const [table, name] = [
    object.slice(0, object.lastIndexOf('.')),
    object.slice(object.lastIndexOf('.') + 1),
  ]
  switch (kind) {
    case 'index': {
      const build = expected.replace(' INDEX ', ' INDEX CONCURRENTLY ')
      return isGone ? `${build};` : `drop index concurrently ${object}; ${build};`
    }
    case 'constraint': {
      const add = `add constraint ${name} ${expected}`
      return `alter table ${table} ${isGone ? add : `drop constraint ${name}, ${add}`};`
    }
    case 'column':
      return isGone
        ? `alter table ${table} add column ${name} ${expected}; -- and what was in it from a backup`
        : `alter table ${table} alter column ${name} …; -- to ${expected}`
    case 'trigger':
      return isGone
        ? `${expected};`
        : `alter table ${table} enable trigger ${name}; -- or: ${expected}`
    default:
      return `Take the statement that makes ${kind} ${object} from migrations/ (the last that names it), and run it.`
  }
}

function splitOnce(name: string): [string, string] {
  const at = name.indexOf(' ')
  return [name.slice(0, at), name.slice(at + 1)]
}
