import { findPgBossDrift, readPgBossVersion } from '#queues/find-drift.ts'

import type { Examination } from './examination.ts'
import type { Finding } from './finding.ts'

export const pgBossDrift: Examination = {
  subject: 'schema pgboss, against what the installed pg-boss makes',
  async examine({ pool }) {
    const { wanted, found } = await readPgBossVersion(pool)
    if (found !== wanted) return { findings: [otherVersion(wanted, found)] }
    return { findings: describe(await findPgBossDrift(pool)) }
  },
}

function otherVersion(wanted: number, found: number | null): Finding {
  return {
    kind: 'pgboss-version',
    severity: 'error',
    what: `pg-boss's schema ${found === null ? 'is not there' : `has version ${found}`}, and the installed pg-boss works with ${wanted}.`,
    why: 'Relays and workers of this version refuse to start.',
    fix:
      found !== null && found > wanted
        ? 'Deploy the version of Orderwheel that migrated this database.'
        : 'orderwheel migrate',
  }
}

type Drift = Awaited<ReturnType<typeof findPgBossDrift>>

/** Not of columns and indexes that somebody added: they are harmless. */
function describe(drift: Drift): Finding[] {
  const table = (name: string) => toFinding(`Table pgboss.${name} is missing`, restore)
  return [
    ...drift.missingTables.map(table),
    ...drift.missing.map(({ name, table, definition }) =>
      toFinding(`Index ${name} of pgboss.${table} is missing`, `${definition};`, 'warning'),
    ),
    ...drift.invalid
      .filter(({ building }) => !building)
      .map(({ name }) =>
        toFinding(`Index pgboss.${name} is invalid`, `reindex index concurrently pgboss.${name};`),
      ),
    ...drift.mismatched.map(({ name, differs, actualDefinition, definition }) =>
      toFinding(
        `Index pgboss.${name} has other ${differs.join(' and ')}: ${actualDefinition}`,
        `drop index concurrently pgboss.${name}; ${definition};`,
      ),
    ),
    ...drift.missingFunctions.map(({ name, definition }) =>
      toFinding(`Function pgboss.${name} is missing`, definition),
    ),
    ...drift.mismatchedFunctions.map(({ name, definition }) =>
      toFinding(
        `Function pgboss.${name} was altered`,
        definition.replace(/^CREATE FUNCTION/i, 'CREATE OR REPLACE FUNCTION'),
      ),
    ),
    ...drift.columnDrift.flatMap(describeColumns),
    ...drift.constraintDrift.flatMap(({ table, missingConstraints }) =>
      missingConstraints.map((definition) =>
        toFinding(
          `A constraint of pgboss.${table} is missing: ${definition}`,
          `alter table pgboss.${table} add ${definition};`,
        ),
      ),
    ),
    ...(drift.enumDrift ? [toFinding('Type pgboss.job_state was altered', restore)] : []),
  ]
}

function describeColumns(drift: Drift['columnDrift'][number]): Finding[] {
  const of = (column: string) => `Column ${column} of pgboss.${drift.table}`
  const alter = (column: string, change: string) =>
    `alter table pgboss.${drift.table} alter column ${column} ${change};`
  return [
    ...drift.missingColumns.map((column) => toFinding(`${of(column)} is missing`, restore)),
    ...drift.defaultMismatches.map(({ column, expected, actual }) =>
      toFinding(
        `${of(column)} has the default ${actual || '(none)'}`,
        alter(column, `set default ${expected}`),
      ),
    ),
    ...drift.typeMismatches.map(({ column, expected, actual }) =>
      toFinding(`${of(column)} is of type ${actual}`, alter(column, `type ${expected}`)),
    ),
    ...drift.nullabilityMismatches.map(({ column, expected }) =>
      toFinding(
        `${of(column)} ${expected ? 'may be null' : 'must not be null'}`,
        alter(column, `${expected ? 'set' : 'drop'} not null`),
      ),
    ),
  ]
}

const restore =
  'Compare with a database migrated anew (orderwheel migrate), and restore from a backup what is gone.'

function toFinding(what: string, fix: string, severity: Finding['severity'] = 'error'): Finding {
  return {
    kind: 'pgboss-drift',
    severity,
    what: `${what}.`,
    why: 'Somebody changed pg-boss’s schema by hand: jobs cannot be taken or settled, are found slowly, or exist twice.',
    fix,
  }
}
