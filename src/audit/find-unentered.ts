import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import type { ChainFinding } from './finding.ts'

const atATime = 20_000

/**
 * Rows of audit_log without an entry: inserted behind the chain's back, or their entry was cut off its end. All of them
 * are looked at, whatever time they say they are from. One statement sees a row with its entry or neither.
 */
export async function* findUnentered(db: Db): AsyncGenerator<ChainFinding[]> {
  let last: string | undefined
  for (;;) {
    const seen: { rows: Seen[] } = await sql<Seen>`
      select a.id, c.position is not null as "isEntered"
        from (select id from orderwheel.audit_log where ${last === undefined ? sql`true` : sql`id > ${last}::uuid`}
               order by id limit ${atATime}) a
        left join lateral (select position from orderwheel.audit_chain
                            where record = a.id and kind = 'action' limit 1) c on true
       order by a.id`.execute(db)
    last = seen.rows.at(-1)?.id
    if (last === undefined) return
    yield seen.rows.filter(({ isEntered }) => !isEntered).map(({ id }) => inserted(id))
  }
}

type Seen = { id: string; isEntered: boolean }

function inserted(id: string): ChainFinding {
  return {
    kind: 'record-inserted',
    position: null,
    record: id,
    what: `Record ${id} of audit_log is in no entry: it was inserted without one, or its entry was removed.`,
  }
}

/** Salts of entries that are not there: the chain's end was cut off. */
export async function findCut(db: Db): Promise<ChainFinding[]> {
  const { rows } = await sql<{ first: string | null; last: string | null; count: number }>`
    select min(position) as first, max(position) as last, count(*)::int as count
      from orderwheel.audit_salts s
     where position > coalesce((select max(position) from orderwheel.audit_chain), 0)`.execute(db)
  const [cut] = rows
  if (!cut?.first) return []
  return [
    {
      kind: 'entry-missing',
      position: Number(cut.first),
      record: null,
      what: `The chain's end was cut off: ${cut.count} salts are of entries ${cut.first} to ${cut.last}, which are not there.`,
    },
  ]
}
