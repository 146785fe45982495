import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'
import type { Target } from '#targets/target.ts'

/** Records which targets may miss something, and from how many open deliveries on; they must be declared already. */
export async function declareDroppable(
  db: Db,
  targets: readonly Pick<Target, 'name' | 'droppable'>[],
): Promise<void> {
  const limits = targets.map(({ name, droppable }) => ({
    name,
    maxOpen: droppable?.maxOpen ?? null,
  }))
  await sql`
    with declared as materialized (
      select name, "maxOpen" as max_open
        from json_to_recordset(${JSON.stringify(limits)}::json) as l(name text, "maxOpen" integer)
    ), locked as materialized ( -- in one order: processes that start together
      select s.target from orderwheel.shedding s join declared d on d.name = s.target and d.max_open is distinct from s.max_open
       order by s.target for update of s
    ), changed as (
      update orderwheel.shedding s set max_open = d.max_open
        from locked l join declared d on d.name = l.target
       where s.target = l.target
    )
    insert into orderwheel.shedding (target, max_open)
    select name, max_open from declared where max_open is not null order by name
    on conflict do nothing`.execute(db)
}
