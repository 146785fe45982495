import pg from 'pg'

import { isThroughPooler } from '#database/set-up-connection.ts'

import type { Examination, Patient } from './examination.ts'
import type { Finding } from './finding.ts'

export const pooler: Examination = {
  subject: 'the way to the server, through a pooler or not',
  async examine(patient) {
    const { database, directDatabase } = patient
    const pooled = await ask(database, isThroughPooler)
    if (!pooled) return { findings: [] }
    if (!directDatabase) return { findings: [withoutDirect, ...(await findNoLimits(patient))] }
    const direct = await ask(directDatabase, isThroughPooler)
    return { findings: [...(direct ? [pooledTwice] : []), ...(await findNoLimits(patient))] }
  },
}

const withoutDirect: Finding = {
  kind: 'pooler-without-direct-url',
  severity: 'warning',
  what: 'DATABASE_URL goes through a pooler such as PgBouncer in transaction mode, and DIRECT_DATABASE_URL is not set.',
  why: 'Nobody can listen for notifications through it, so work is found by polling, up to a second late, and migrations are refused.',
  fix: 'DIRECT_DATABASE_URL=postgresql://user:password@<the server itself>:5432/database',
}

const pooledTwice: Finding = {
  kind: 'direct-url-through-pooler',
  severity: 'warning',
  what: 'DIRECT_DATABASE_URL goes through a pooler, too.',
  why: 'It is there for what needs the server itself: listening and migrations do not work through it.',
  fix: 'DIRECT_DATABASE_URL=postgresql://user:password@<the server itself>:5432/database',
}

/** Our own limits are settings of a session, which a pooler does not keep. */
async function findNoLimits({ database }: Patient): Promise<Finding[]> {
  const { name, missing } = await ask(database, async (client) => {
    const { rows } = await client.query<{ name: string; missing: string[] }>(`
      select current_user as name,
             array(select setting from unnest(array['statement_timeout', 'idle_in_transaction_session_timeout']) setting
                    where current_setting(setting) = '0') as missing`)
    return rows[0] ?? { name: '', missing: [] }
  })
  if (missing.length === 0) return []
  const usual: Record<string, string> = {
    statement_timeout: '30s',
    idle_in_transaction_session_timeout: '15s',
  }
  const role = pg.escapeIdentifier(name)
  return [
    {
      kind: 'no-limits-behind-pooler',
      severity: 'warning',
      what: `Behind the pooler role ${name} has no ${missing.join(' and no ')}.`,
      why: 'A process that freezes inside a transaction keeps its rows locked for as long as its connection stands.',
      fix: missing
        .map((setting) => `alter role ${role} set ${setting} = '${usual[setting]}';`)
        .join(' '),
    },
  ]
}

async function ask<T>(
  connection: pg.ClientConfig,
  question: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    ...connection,
    application_name: 'orderwheel-doctor',
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
  })
  // The statement in flight fails too.
  client.on('error', () => {})
  await client.connect()
  try {
    return await question(client)
  } finally {
    await client.end()
  }
}
