import { sql } from 'kysely'

import type { Db } from '#database/open-database.ts'

import { type AlertKind, alertKinds } from './alert-kinds.ts'

export type AlertAddress = { url: string }

type Untold = {
  id: string
  kind: string
  subject: string
  text: string
  raisedAt: Date
  resolvedAt: Date | null
  tries: number
}

/**
 * Tells alerts that nobody was told of yet: one POST each, when it was raised and when it is over; what was raised and
 * over before it could be told is told once. What fails is tried again after 20, 40 seconds … up to every 10 minutes.
 * Several processes at once share them. `kinds`: only these; the others are kept. Answers how many were told, and why others were not.
 */
export async function tellAlerts(
  db: Db,
  address: AlertAddress,
  kinds: readonly AlertKind[] = alertKinds,
): Promise<{ told: number; failures: string[] }> {
  const failures: string[] = []
  const untold = await take(db, kinds)
  for (const alert of untold) {
    const failure = await post(address, alert)
    if (failure !== undefined) failures.push(failure)
    await (failure === undefined ? noteTold(db, alert) : noteFailure(db, alert, failure))
  }
  return { told: untold.length - failures.length, failures }
}

/** Whether there is anybody to be told of anything. */
export async function hasUntold(db: Db): Promise<boolean> {
  const { rows } = await sql`
    select from orderwheel.alerts where ${isUntold} and try_after <= now() limit 1`.execute(db)
  return rows.length > 0
}

// What ended a day ago, when there was no address yet, is no news.
const isUntold = sql`(told_at is null or (resolved_at is not null and told_end_at is null))
  and coalesce(resolved_at, now()) > now() - interval '1 day'`
const atATime = 10
// A process that dies meanwhile leaves them to the next one after so long.
const takenFor = sql`interval '5 minutes'`

// Nothing is locked while they are told.
async function take(db: Db, kinds: readonly AlertKind[]): Promise<Untold[]> {
  const { rows } = await sql<Untold>`
    update orderwheel.alerts a set try_after = now() + ${takenFor}, tries = a.tries + 1
     where a.id in (
       select id from orderwheel.alerts
        where ${isUntold} and try_after <= now() and kind = any(${kinds}::text[])
        order by try_after limit ${atATime}
          for update skip locked)
    returning id, kind, subject, text, raised_at as "raisedAt", resolved_at as "resolvedAt", tries`.execute(
    db,
  )
  return rows
}

const timeoutMs = 10_000

/** Answers why it was not taken. The address may hold a secret and is not named. */
async function post({ url }: AlertAddress, alert: Untold): Promise<string | undefined> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(describe(alert)),
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    })
    await response.body?.cancel()
    return response.ok ? undefined : `The alert address answered ${response.status}.`
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
    return `The alert address could not be reached${code}.`
  }
}

/** `text` is what Slack, Mattermost and their like show; the rest is for programs. */
function describe({ id, kind, subject, text, raisedAt, resolvedAt }: Untold) {
  return {
    text: resolvedAt ? `Over: ${text}` : text,
    id,
    kind,
    subject,
    state: resolvedAt ? 'resolved' : 'raised',
    raisedAt: raisedAt.toISOString(),
    resolvedAt: resolvedAt?.toISOString() ?? null,
  }
}

// It may be over since: that is told as well.
async function noteTold(db: Db, { id, resolvedAt }: Untold): Promise<void> {
  const isOver = resolvedAt !== null
  await sql`
    update orderwheel.alerts
       set told_at = coalesce(told_at, now()), told_end_at = case when ${isOver} then now() end,
           tries = 0, failure = null, try_after = now()
     where id = ${id}`.execute(db)
}

async function noteFailure(db: Db, { id, tries }: Untold, failure: string): Promise<void> {
  const seconds = Math.min(600, 10 * 2 ** Math.min(tries, 10))
  await sql`
    update orderwheel.alerts set failure = ${failure}, try_after = now() + make_interval(secs => ${seconds})
     where id = ${id}`.execute(db)
}
