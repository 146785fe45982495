import { Kysely, PostgresDialect } from 'kysely'
import type pg from 'pg'

import type { Db } from '#database/open-database.ts'
import type { Tables } from '#database/tables.ts'

export type Plan = {
  sql: string
  /** Indexes in the order in which the plan names them. */
  indexes: string[]
  /** Tables that are read as a whole. */
  wholeTables: string[]
  /** The most rows that a node expects or, for `analyze`, met. */
  rows: number
  /** The rows it answered. */
  answered: number
}

type Node = {
  'Node Type': string
  'Index Name'?: string
  'Relation Name'?: string
  'Actual Rows'?: number
  'Actual Loops'?: number
  'Rows Removed by Filter'?: number
  Plans?: Node[]
}

/** Runs the work and answers the plan of each of its queries, with the rows that it really met. */
export async function plansOf(pool: pg.Pool, work: (db: Db) => Promise<unknown>): Promise<Plan[]> {
  const asked: { sql: string; parameters: readonly unknown[] }[] = []
  // Never destroyed: the pool is the test's.
  const db = new Kysely<Tables>({
    dialect: new PostgresDialect({ pool }),
    log: ({ query }) => void asked.push(query),
  })
  await work(db)
  const plans: Plan[] = []
  for (const { sql, parameters } of asked) {
    const { rows } = await pool.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
      `explain (analyze, format json) ${sql}`,
      [...parameters],
    )
    const root = rows[0]?.['QUERY PLAN'][0].Plan
    if (root) plans.push({ sql, ...summarise(root) })
  }
  return plans
}

function summarise(root: Node): Omit<Plan, 'sql'> {
  const nodes = flatten(root)
  return {
    answered: root['Actual Rows'] ?? 0,
    indexes: nodes.flatMap((node) => node['Index Name'] ?? []),
    wholeTables: nodes.flatMap((node) =>
      node['Node Type'].endsWith('Seq Scan') ? (node['Relation Name'] ?? []) : [],
    ),
    rows: Math.max(
      ...nodes.map(
        (node) =>
          ((node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0)) *
          (node['Actual Loops'] ?? 1),
      ),
    ),
  }
}

function flatten(node: Node): Node[] {
  return [node, ...(node.Plans ?? []).flatMap(flatten)]
}
