import { readFileSync } from 'node:fs'

import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { alertKinds } from '#alerts/alert-kinds.ts'
import { raiseAlert } from '#alerts/raise-alert.ts'
import { resolveAlert } from '#alerts/resolve-alert.ts'
import { tellAlerts } from '#alerts/tell-alerts.ts'

import { startWebhook, type Webhook } from '../support/start-webhook.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase
let webhook: Webhook

beforeEach(async () => {
  database = await testDatabase()
  webhook = await startWebhook()
})
afterEach(async () => {
  await webhook.stop()
  await database.close()
})

const tell = () => tellAlerts(database.db, webhook)

/** What failed is due again at once. */
async function letTimePass() {
  await sql`update orderwheel.alerts set try_after = now()`.execute(database.db)
}

test('an alert is told once when it is raised, once when it is over, and anew when it comes back', async () => {
  const { db } = database
  const about = { kind: 'dead-letters', subject: 'erp' } as const
  await Promise.all([
    raiseAlert(db, { ...about, text: 'erp: 1 new dead letter' }),
    raiseAlert(db, { ...about, text: 'erp: 1 new dead letter' }),
  ])
  await raiseAlert(db, { kind: 'dead-letters', subject: 'mail', text: 'mail: 1 new dead letter' })
  expect(await tell()).toEqual({ told: 2, failures: [] })
  await raiseAlert(db, { ...about, text: 'erp: 7 new dead letters' })
  expect(await tell()).toEqual({ told: 0, failures: [] })

  await resolveAlert(db, about)
  await resolveAlert(db, about)
  expect(await tell()).toMatchObject({ told: 1 })
  expect(await tell()).toMatchObject({ told: 0 })
  await raiseAlert(db, { ...about, text: 'erp: again' })
  await tell()

  expect(webhook.taken.filter(({ subject }) => subject === 'erp')).toMatchObject([
    { text: 'erp: 1 new dead letter', kind: 'dead-letters', state: 'raised', resolvedAt: null },
    { text: 'Over: erp: 7 new dead letters', state: 'resolved' },
    { text: 'erp: again', state: 'raised' },
  ])
})

test('an alert is told again until it was taken, less and less often, and the address stays a secret', async () => {
  await raiseAlert(database.db, { kind: 'outbox', text: 'The outbox is not moving.' })
  for (const status of [500, 404, 302]) {
    webhook.status = status
    const { failures } = await tell()
    expect(failures).toEqual([`The alert address answered ${status}.`])
    expect(await tell()).toEqual({ told: 0, failures: [] })
    await letTimePass()
  }
  webhook.status = 200
  expect(await tell()).toMatchObject({ told: 1 })
  expect(webhook.taken).toHaveLength(1)

  await raiseAlert(database.db, { kind: 'verify.lost', text: 'x' })
  const gone = await startWebhook()
  await gone.stop()
  const { failures } = await tellAlerts(database.db, gone)
  expect(failures).toEqual(['The alert address could not be reached (ECONNREFUSED).'])
  const { rows } = await sql<{ failure: string }>`
    select failure from orderwheel.alerts where failure is not null`.execute(database.db)
  expect(rows).toEqual([{ failure: failures[0] }])
})

test('two processes that tell at once tell each alert once', async () => {
  for (const subject of ['a', 'b', 'c', 'd', 'e', 'f'])
    await raiseAlert(database.db, { kind: 'dead-letters', subject, text: `${subject} died` })
  await Promise.all([tell(), tell(), tell()])
  expect(webhook.taken.map(({ subject }) => String(subject)).toSorted()).toEqual([
    'a',
    'b',
    'c',
    'd',
    'e',
    'f',
  ])
})

test('what was over before it could be told is told once', async () => {
  await raiseAlert(database.db, { kind: 'verify.stuck', text: '3 past their time' })
  await resolveAlert(database.db, { kind: 'verify.stuck' })
  await tell()
  await letTimePass()
  await tell()
  expect(webhook.taken).toMatchObject([{ text: 'Over: 3 past their time', state: 'resolved' }])
})

test('every kind of alert has a row in docs/alerts.md, and no other has', () => {
  const page = readFileSync(new URL('../../docs/alerts.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| `([a-z.-]+)` +\|/gm)].map(([, kind]) => kind)
  expect(rows).toEqual([...alertKinds])
})
