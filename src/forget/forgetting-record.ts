import { hash, randomBytes } from 'node:crypto'

import { sql } from 'kysely'

import type { Db, Tx } from '#database/open-database.ts'

import type { ForgetRequest } from './forget-person.ts'

/** Goes on with the request as it was interrupted, or begins: answers its id. */
export async function beginForgetting(db: Db, request: ForgetRequest): Promise<string> {
  return db
    .transaction()
    .execute(async (tx) => (await findBegun(tx, request)) ?? begin(tx, request))
}

// Of those that were interrupted, each with its own salt, there are few.
async function findBegun(tx: Tx, request: ForgetRequest): Promise<string | undefined> {
  const begun = await tx
    .selectFrom('orderwheel.forgettings')
    .select(['id', 'salt', 'person'])
    .where('finished_at', 'is', null)
    .execute()
  return begun.find(({ salt, person }) => salt && person?.equals(hashOf(request, salt)))?.id
}

async function begin(tx: Tx, request: ForgetRequest): Promise<string> {
  const { who, evenOpen } = request
  const salt = randomBytes(32)
  const reason = await withoutPerson(tx, request)
  const { id } = await tx
    .insertInto('orderwheel.forgettings')
    .values({
      requested_by: who,
      reason,
      even_open: evenOpen,
      salt,
      person: hashOf(request, salt),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  await record(tx, { who, reason, id, action: 'person.forgetting', details: { evenOpen } })
  return id
}

function hashOf({ person, evenOpen }: ForgetRequest, salt: Buffer): Buffer {
  const asked = [person.email.trim().toLowerCase(), person.customerId, evenOpen]
  return hash('sha256', `${salt.toString('hex')}${JSON.stringify(asked)}`, 'buffer')
}

// What people give as a reason is often who asked.
async function withoutPerson(tx: Tx, { person, reason }: ForgetRequest): Promise<string | null> {
  const id = person.customerId === null ? [] : [person.customerId]
  const { rows } = await sql<{ reason: string | null }>`
    select orderwheel.without_texts(${reason}::text, ${[person.email.trim(), ...id]}::text[]) as reason`.execute(
    tx,
  )
  return rows[0]?.reason ?? null
}

type Finished = Pick<ForgetRequest, 'who' | 'person' | 'reason' | 'evenOpen'> & {
  id: string
  refusedCount: number
  masked: number
}

/** Says that it is done and forgets who it was. Answers the counts of all runs together. */
export async function finishForgetting(db: Db, done: Finished): Promise<{ orders: number }> {
  return db.transaction().execute(async (tx) => {
    const { rows } = await sql<{
      orders: number
      reason: string | null
      masked: number
      wasOpen: boolean
    }>`
      update orderwheel.forgettings
         set refused = ${done.refusedCount}, masked = masked + ${done.masked},
             salt = null, person = null, finished_at = now()
       where id = ${done.id}
      returning orders, reason, masked, old.finished_at is null as "wasOpen"`.execute(tx)
    const [row] = rows
    if (!row) return { orders: 0 }
    const { orders, reason, masked, wasOpen } = row
    const details = { orders, refused: done.refusedCount, masked, evenOpen: done.evenOpen }
    // Two that ran at once for the same person end once.
    if (wasOpen)
      await record(tx, { who: done.who, reason, id: done.id, action: 'person.forgotten', details })
    return { orders }
  })
}

async function record(
  tx: Tx,
  made: { who: string; action: string; id: string; reason: string | null; details: object },
): Promise<void> {
  const { who, action, id, reason, details } = made
  await tx
    .insertInto('orderwheel.audit_log')
    .values({ who, action, subject: id, reason, details: JSON.stringify(details) })
    .execute()
}
