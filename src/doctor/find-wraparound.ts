import { sql } from 'kysely'

import type { Examination } from './examination.ts'

export const wraparound: Examination = {
  subject: 'transaction ids left before the server has to stop',
  async examine({ db }) {
    const { rows } = await sql<{ table: string; age: number; multixact: boolean }>`
      select c.oid::regclass::text as table, age, multixact
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace and n.nspname in ('orderwheel', 'pgboss')
       cross join lateral (values (age(c.relfrozenxid), false), (mxid_age(c.relminmxid), true)) a(age, multixact)
       where c.relkind in ('r', 'm', 't') and age > ${mostAge}
       order by age desc limit 1`.execute(db)
    const [oldest] = rows
    if (!oldest) return { findings: [] }
    const { table, age, multixact } = oldest
    return {
      findings: [
        {
          kind: 'wraparound',
          severity: 'error',
          what: `${table} has not been frozen for ${millions(age)} million ${multixact ? 'multixacts' : 'transactions'}, of 2,147 that are possible.`,
          why: 'Before that many have passed the server stops taking writes, and with them every order.',
          fix: `vacuum (freeze, verbose) ${table}; -- and see what keeps autovacuum from it: the finding xmin-held, if there is one`,
        },
      ],
    }
  },
}

// Autovacuum begins to freeze at 200 million, in earnest at 1,600; half of what there is means that it does not get on.
const mostAge = 1_000_000_000

function millions(age: number): string {
  return Math.round(age / 1_000_000).toLocaleString('en')
}
