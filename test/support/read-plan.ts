import type pg from 'pg'

/** What a plan does, without its costs: `Index Scan deliveries on deliveries_open`, `Seq Scan targets`, once each. */
export async function readPlan(
  pool: pg.Pool,
  query: { text: string; values?: readonly unknown[] },
): Promise<string[]> {
  const { rows } = await pool.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
    `explain (format json, costs off) ${query.text}`,
    [...(query.values ?? [])],
  )
  const plan = rows[0]?.['QUERY PLAN'][0].Plan
  return plan ? [...new Set(reads(plan))].sort() : []
}

type PlanNode = {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  Plans?: PlanNode[]
}

function reads(node: PlanNode): string[] {
  const { 'Node Type': type, 'Relation Name': relation, 'Index Name': index } = node
  const own = type.endsWith('Scan') && (relation ?? index) ? [describe(type, relation, index)] : []
  return [...own, ...(node.Plans ?? []).flatMap(reads)]
}

// A month's partition and its indexes are named after the whole.
function describe(type: string, relation = '', index = ''): string {
  const name = (text: string) => text.replace(/_(until_)?\d{4}_\d\d(?=_|$)/, '')
  return [type, name(relation), index && `by ${name(index)}`].filter(Boolean).join(' ')
}
