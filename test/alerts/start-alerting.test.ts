import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { raiseAlert } from '#alerts/raise-alert.ts'
import { startAlerting } from '#alerts/start-alerting.ts'
import { onlyDeployment, type Deployment } from '#base/deployment.ts'
import { createLog } from '#base/log.ts'
import { waitsByDesign } from '#owner/owner-fit.ts'
import { readOwner } from '#owner/read-owner.ts'
import { takeOwnership } from '#owner/take-ownership.ts'
import { claimOwnership } from '#owner/write-owner.ts'

import { eventually } from '../support/eventually.ts'
import { startWebhook, type Webhook } from '../support/start-webhook.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

const production: Deployment = { ...onlyDeployment, environment: 'production' }

let database: TestDatabase
let webhook: Webhook
let running: { stop(): Promise<void> }[]

beforeEach(async () => {
  running = []
  database = await testDatabase()
  webhook = await startWebhook()
  await claimOwnership(database.db, production, 'worker')
})
afterEach(async () => {
  await Promise.all(running.map((one) => one.stop()))
  await webhook.stop()
  await database.close()
})

/** As every relay does, only more often. */
function startAs(deployment: Deployment) {
  const { db } = database
  const alerting = startAlerting({
    db,
    log: createLog('test', 'silent'),
    address: webhook,
    delivering: async () => ({
      ...(await readOwner(db, deployment)),
      waitsByDesign: waitsByDesign(deployment),
    }),
    watchSeconds: 0.05,
    tellSeconds: 0.05,
  })
  running.push(alerting)
}

const told = () => webhook.taken.map(({ kind, state }) => `${String(kind)} ${String(state)}`)

/** What a restore over the original leaves: the same row, written by another transaction. */
const restore = () =>
  sql`update orderwheel.installation set owned_by = 'restored'`.execute(database.db)

const somethingLost = () => raiseAlert(database.db, { kind: 'verify.lost', text: '1 lost' })

test('a database whose owner marker stops fitting says that nobody is told of anything, and the rest when it is taken', async () => {
  startAs(production)
  await restore()
  await eventually(() => told().length === 1)
  expect(webhook.taken[0]).toMatchObject({
    kind: 'owner',
    subject: 'production',
    text: expect.stringMatching(/^No target is told of any order: .* orderwheel owner --take/),
  })
  await somethingLost()
  await takeOwnership(database.db, { deployment: production, who: 'eva', reason: 'it is ours' })
  await eventually(() => told().length === 3)
  expect(told().toSorted()).toEqual(['owner raised', 'owner resolved', 'verify.lost raised'])
})

test('where nobody expects deliveries, a copy of a database tells nobody of anything', async () => {
  await restore()
  await somethingLost()
  startAs({ ...production, deliver: 'no' })
  startAs({ ...production, environment: 'shop:fix-7', mayClaim: false })
  // The one environment that may speak looks as often as the others do.
  startAs({ ...production, environment: 'staging' })
  await eventually(() => told().length === 1)
  expect(webhook.taken).toMatchObject([{ kind: 'owner', subject: 'staging' }])
})

test('the alert of an environment that is at another one’s database is not ended by that one', async () => {
  startAs(production)
  startAs({ ...production, environment: 'staging' })
  await eventually(() => told().length === 1)
  await somethingLost()
  await eventually(() => told().length === 2)
  expect(told()).toEqual(['owner raised', 'verify.lost raised'])
})
