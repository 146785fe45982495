import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { onlyDeployment, type Deployment } from '#base/deployment.ts'
import { openDatabase } from '#database/open-database.ts'
import { claimDeliveries } from '#deliveries/claim-deliveries.ts'
import { readOwner } from '#owner/read-owner.ts'
import { takeOwnership } from '#owner/take-ownership.ts'
import { claimOwnership } from '#owner/write-owner.ts'

import { eventually } from '../support/eventually.ts'
import { memoryLog } from '../support/memory-log.ts'
import { onServer } from '../support/test-database.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

const named = (environment: string): Deployment => ({ ...onlyDeployment, environment })
const branch: Deployment = { ...named('shop:fix-7'), mayClaim: false }

let shop: TestShop
let called: string[]

beforeEach(async () => {
  called = []
  const call = async ({ order }: { order: { id: string } }) => {
    called.push(order.id)
    return { kind: 'delivered' as const }
  }
  shop = await openTestShop([testTarget('erp', { call })])
})
afterEach(() => shop.close())

test('the first worker makes a database its environment’s own, and delivers', async () => {
  const { orderId } = await placeRelayed()
  const { log, lines } = memoryLog()
  shop.startWorker({ log, deployment: named('production') })

  await eventually(() => called.includes(orderId))
  expect(await readOwner(shop.db, named('production'))).toMatchObject({
    delivers: true,
    fit: 'fits',
    here: {
      databaseName: shop.connection.database,
      systemIdentifier: expect.stringMatching(/^\d+$/),
    },
    owner: { environment: 'production', by: expect.stringContaining(`:${process.pid}:`) },
  })
  expect(lines()).not.toContain('nothing is delivered')
})

test('an owner without a name is told once that a copy of its files would deliver, one with a name is not', async () => {
  const { log, lines } = memoryLog()
  const worker = shop.startWorker({ log })
  await eventually(() => lines().includes('the owner of this database has no name'))
  await worker.drained(AbortSignal.timeout(30_000))
  expect(lines().split('set ORDERWHEEL_ENVIRONMENT, restart, and run at once')).toHaveLength(2)

  const deployment = named('production')
  await takeOwnership(shop.db, { deployment, who: 'eva', reason: 'it has a name now' })
  const other = memoryLog()
  await shop.startWorker({ log: other.log, deployment }).drained(AbortSignal.timeout(30_000))
  expect(other.lines()).toContain('worker started')
  expect(other.lines()).not.toContain('has no name')
})

test('of two environments that start at once, one owns the database', async () => {
  const claims = ['blue', 'green', 'blue', 'green'].map((name) =>
    claimOwnership(shop.db, named(name), `worker of ${name}`),
  )
  expect((await Promise.all(claims)).filter(Boolean)).toHaveLength(1)
})

test('a worker on another environment’s database calls nobody, until its environment takes it', async () => {
  await claimOwnership(shop.db, named('production'), 'worker of production')
  const { orderId } = await placeRelayed()
  const { log, lines } = memoryLog()
  const worker = shop.startWorker({ log, deployment: named('staging') })

  await eventually(() => lines().includes('nothing is delivered from this database'))
  await worker.drained(AbortSignal.timeout(30_000))
  expect(called).toEqual([])
  expect(await shop.deliveries(orderId)).toEqual({ erp: 'queued' })

  const reason = 'rehearsing the failover'
  await takeOwnership(shop.db, { deployment: named('staging'), who: 'eva', reason })
  await eventually(() => called.includes(orderId))
  expect(lines()).toContain('delivering again')
  const audit = await shop.db.selectFrom('orderwheel.audit_log').selectAll().execute()
  expect(audit).toEqual([
    expect.objectContaining({
      who: 'eva',
      action: 'owner.taken',
      reason,
      details: {
        before: expect.objectContaining({ environment: 'production' }),
        after: expect.objectContaining({ environment: 'staging', by: 'eva' }),
      },
    }),
  ])
})

test('a worker that has delivered stops when another environment takes the database', async () => {
  const first = await placeRelayed()
  const { log, lines } = memoryLog()
  shop.startWorker({ log })
  await eventually(() => called.includes(first.orderId))

  const request = { deployment: named('staging'), who: 'eva', reason: 'test' }
  await takeOwnership(shop.db, request)
  await eventually(() => lines().includes('nothing is delivered from this database'))
  const second = await placeRelayed()
  await takeOwnership(shop.db, { ...request, deployment: onlyDeployment })

  await eventually(() => called.includes(second.orderId))
  expect(called).toEqual([first.orderId, second.orderId])
})

test('a claim asks whose database it is: nothing is taken from one that changed a moment ago', async () => {
  await claimOwnership(shop.db, named('production'), 'worker of production')
  const { orderId } = await placeRelayed()
  const wanted = { queue: 'erp', count: 10 }

  expect(await claimDeliveries({ ...shop, deployment: named('staging') }, wanted)).toEqual([])
  const job = await sql`select state, retry_count from pgboss.job where name = 'erp'`.execute(
    shop.db,
  )
  expect(job.rows).toEqual([{ state: 'created', retry_count: 0 }])
  expect(await claimDeliveries({ ...shop, deployment: named('production') }, wanted)).toEqual([
    expect.objectContaining({ orderId }),
  ])
})

test('a branch environment takes no database by itself, and delivers where it is told to', async () => {
  const { orderId } = await placeRelayed()
  const { log, lines } = memoryLog()
  const worker = shop.startWorker({ log, deployment: branch })
  await eventually(() => lines().includes('Nobody owns this database'))
  expect((await readOwner(shop.db, branch)).owner).toBeNull()
  await worker.stop()
  expect(called).toEqual([])

  shop.startWorker({ log, deployment: { ...branch, deliver: 'yes' } })
  await eventually(() => called.includes(orderId))
  expect(lines()).toContain('delivering from a database that is not ours')
})

test('ORDERWHEEL_DELIVER=no keeps even the owner from delivering', async () => {
  await claimOwnership(shop.db, onlyDeployment, 'worker')
  await placeRelayed()
  const { log, lines } = memoryLog()
  const worker = shop.startWorker({ log, deployment: { ...onlyDeployment, deliver: 'no' } })

  await eventually(() => lines().includes('ORDERWHEEL_DELIVER is no'))
  await worker.drained(AbortSignal.timeout(30_000))
  expect(called).toEqual([])
})

test.each([
  ['cluster', 'system_identifier = 1'],
  ['database', 'database_oid = 1'],
  ['renamed', `database_name = 'shop'`],
  ['copied', 'owned_by = owned_by'],
])('a marker that was written elsewhere does not fit: %s', async (fit, change) => {
  await claimOwnership(shop.db, onlyDeployment, 'worker')
  await shop.pool.query(`update orderwheel.installation set ${change}`)

  expect(await readOwner(shop.db, onlyDeployment)).toMatchObject({ fit, delivers: false })
  const request = { deployment: onlyDeployment, who: 'eva', reason: 'test' }
  const { after } = await takeOwnership(shop.db, request)
  expect(after).toMatchObject({ fit: 'fits', delivers: true })
})

test('where the cluster does not tell its identifier, a copied marker is found out all the same', async () => {
  const { connection } = shop
  await onServer((client) =>
    client.query(`
      do $$ begin create role of_few_rights login password 'few';
      exception when duplicate_object or unique_violation then null; end $$;`),
  )
  await shop.pool.query(`
    revoke execute on function pg_catalog.pg_control_system() from public;
    grant usage on schema orderwheel to of_few_rights;
    grant select, insert, delete on orderwheel.installation to of_few_rights`)
  const few = openDatabase({
    connection: { ...connection, user: 'of_few_rights', password: 'few' },
    applicationName: 'orderwheel-test',
    maxConnections: 1,
    onConnectionLost: () => {},
  })
  try {
    await claimOwnership(few.db, onlyDeployment, 'worker')
    const known = await readOwner(few.db, onlyDeployment)
    expect(known).toMatchObject({ fit: 'fits', owner: { systemIdentifier: null } })

    await shop.pool.query(`
      create temporary table dumped as select * from orderwheel.installation;
      delete from orderwheel.installation;
      insert into orderwheel.installation select * from dumped;
      drop table dumped`)
    expect(await readOwner(few.db, onlyDeployment)).toMatchObject({ fit: 'copied' })
  } finally {
    await few.close()
  }
})

async function placeRelayed() {
  const placed = await shop.placeOrder()
  await shop.relay()
  return placed
}
