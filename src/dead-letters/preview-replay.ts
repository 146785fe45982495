import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import type { CircuitState } from '#database/tables.ts'
import { hasQueue } from '#queues/jobs.ts'

import { isMeant, type LetterFilter } from './letter-filter.ts'
import { isListed } from './listed-letters.ts'
import { countShed, type ShedCount } from './shed-letters.ts'

/** What a replay would do if it was asked for now. */
export type Preview = {
  /** Open dead letters that are meant. */
  total: number
  /** More of them, which a running replay is going to get to already. */
  listed: number
  /** Of those named by their ids: how many somebody decided on. */
  closed: number
  /** Of `total`: how many are kept from retention. */
  held: number
  /** The largest first, 100 at most. */
  groups: PreviewGroup[]
  targets: PreviewTarget[]
}

export type PreviewGroup = {
  target: string
  groupId: string
  status: number | null
  error: string
  deadLetters: number
  firstAt: Date
  lastAt: Date
}

export type PreviewTarget = {
  target: string
  deadLetters: number
  /** Where it is told; null: only its code knows. */
  address: string | null
  hasQueue: boolean
  /** Whether the process that started last has it in its configuration. */
  isConfigured: boolean
  paused: { by: string | null; reason: string | null; until: Date | null } | null
  circuit: CircuitState
  circuitReason: string | null
}

/** Counts what a replay or a discard would get, where it would go, and whether that is being called. */
export async function previewReplay(db: Db, filter: LetterFilter): Promise<Preview> {
  const shed = filter.shed ? await countShed(db, filter) : []
  const { groups, perTarget } = withShed(await countLetters(db, filter), shed)
  const targets = await readTargets(
    db,
    perTarget.map(({ target }) => target),
  )
  const counted = new Map(perTarget.map((one) => [one.target, one.deadLetters]))
  return {
    total: sumOf(perTarget.map(({ deadLetters }) => deadLetters)),
    listed: sumOf(perTarget.map(({ listed }) => listed)),
    closed: filter.ids ? await countClosed(db, filter) : 0,
    held: sumOf(perTarget.map(({ held }) => held)),
    groups,
    targets: targets.map((one) => ({ ...one, deadLetters: counted.get(one.target) ?? 0 })),
  }
}

type Counted = { groups: PreviewGroup[]; perTarget: TargetCount[] }

/** With those that will have letters only when they are listed. */
function withShed({ groups, perTarget }: Counted, shed: readonly ShedCount[]): Counted {
  const added = new Map(shed.map(({ target, deadLetters }) => [target, deadLetters]))
  const others = new Map(perTarget.map((one) => [one.target, one]))
  return {
    groups: [
      ...shed.map((one) => ({ ...one, groupId: '-', status: null, error: 'shed' })),
      ...groups,
    ],
    perTarget: [...new Set([...others.keys(), ...added.keys()])].map((target) => {
      const { deadLetters = 0, listed = 0, held = 0 } = others.get(target) ?? {}
      return { target, listed, held, deadLetters: deadLetters + (added.get(target) ?? 0) }
    }),
  }
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, one) => sum + one, 0)
}

const mostGroups = 100

type TargetCount = { target: string; deadLetters: number; listed: number; held: number }
type Row = TargetCount & (PreviewGroup | { groupId: null })

// Targets are few, groups may be as many as letters: of those only what is shown leaves the database.
async function countLetters(db: Db, filter: LetterFilter): Promise<Counted> {
  const { rows } = await sql<Row>`
    with groups as materialized (
      select target, group_id as "groupId", min(status) as status, min(error) as error,
             (count(*) filter (where not is_listed))::int as "deadLetters",
             (count(*) filter (where is_listed))::int as listed,
             (count(held_at) filter (where not is_listed))::int as held,
             min(died_at) as "firstAt", max(died_at) as "lastAt"
        from (select l.target, l.group_id, l.status, coalesce(l.code, l.failure) as error, l.held_at, l.died_at,
                     ${isListed} as is_listed
                from orderwheel.dead_letters l
               where l.resolved_at is null and ${isMeant(filter)}
              offset 0) l
       group by target, group_id
    )
    (select * from groups where "deadLetters" > 0
      order by "deadLetters" desc, target, "groupId" limit ${mostGroups})
    union all
    select target, null, null, null, sum("deadLetters")::int, sum(listed)::int, sum(held)::int, null, null
      from groups group by target`.execute(db)
  return {
    groups: rows
      .flatMap((row) => (row.groupId === null ? [] : [groupOf(row)]))
      .toSorted((one, other) => other.deadLetters - one.deadLetters),
    perTarget: rows.filter(({ groupId }) => groupId === null),
  }
}

function groupOf(row: PreviewGroup): PreviewGroup {
  const { target, groupId, status, error, deadLetters, firstAt, lastAt } = row
  return { target, groupId, status, error, deadLetters, firstAt, lastAt }
}

async function countClosed(db: Db, filter: LetterFilter): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int from orderwheel.dead_letters l
     where l.resolved_at is not null and ${isMeant(filter)}`.execute(db)
  return rows[0]?.count ?? 0
}

// Each process that starts declares all its targets in one statement: what has an older time was left out since.
async function readTargets(
  db: Db,
  names: readonly string[],
): Promise<Omit<PreviewTarget, 'deadLetters'>[]> {
  const { rows } = await sql<Omit<PreviewTarget, 'deadLetters'>>`
    select n.name as target, t.address, ${hasQueue(sql.ref('n.name'))} as "hasQueue",
           coalesce(t.declared_at = (select max(declared_at) from orderwheel.targets), false) as "isConfigured",
           case when t.paused_at is not null and coalesce(t.paused_until > now(), true) then
             json_build_object('by', t.paused_by, 'reason', t.pause_reason, 'until', t.paused_until) end as paused,
           coalesce(t.circuit, 'closed') as circuit, t.circuit_reason as "circuitReason"
      from unnest(${names}::text[]) as n(name)
      left join orderwheel.targets t on t.name = n.name
     order by n.name`.execute(db)
  return rows
}
