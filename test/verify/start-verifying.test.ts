import { sql } from 'kysely'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { watchShop } from '#alerts/watch-shop.ts'
import { claimVerification, keepClaim, releaseClaim } from '#verify/claim-verification.ts'
import { readRequest, requestVerification } from '#verify/due-verification.ts'
import { takeUpWalk, putDownWalk } from '#verify/full-walk.ts'
import { readLastVerification } from '#verify/read-verification.ts'
import { recordFailure } from '#verify/record-failure.ts'
import { runWalk } from '#verify/run-walk.ts'
import { startVerifying } from '#verify/start-verifying.ts'
import { finish } from '#verify/verify.ts'

import { eventually } from '../support/eventually.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { verifyShop } from '../support/verify-shop.ts'

let shop: TestShop
let logged: { level: number; msg: string }[]
const running: { stop(): Promise<void> }[] = []

beforeEach(async () => {
  logged = []
  shop = await openTestShop([testTarget('erp')])
})
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop()))
  await shop.close()
})

function start(who: string) {
  const log = pino({ level: 'info' }, { write: (line) => void logged.push(JSON.parse(line)) })
  const verifying = startVerifying({ db: shop.db, log, who, lookSeconds: 0.05 })
  running.push(verifying)
  return verifying
}

async function verifications() {
  return shop.db
    .selectFrom('orderwheel.verifications')
    .select(['requested_by', 'is_full', 'lost', 'failure'])
    .orderBy('id')
    .execute()
}

async function fiveMinutesPass() {
  await sql`
    update orderwheel.verifications
       set started_at = started_at - interval '6 minutes', finished_at = finished_at - interval '6 minutes'`.execute(
    shop.db,
  )
}

async function alerts() {
  const rows = await shop.db
    .selectFrom('orderwheel.alerts')
    .select(['kind', 'resolved_at'])
    .orderBy('id')
    .execute()
  return rows.map(({ kind, resolved_at }) => `${kind} ${resolved_at ? 'over' : 'open'}`)
}

test('the first verification is full, then one each 5 minutes, one at a time over all processes', async () => {
  start('one')
  start('two')
  await eventually(async () => (await verifications()).length === 1)
  expect(await verifications()).toMatchObject([{ is_full: true, lost: 0 }])
  for (const count of [2, 3]) {
    await fiveMinutesPass()
    await eventually(async () => (await verifications()).length === count)
  }
  expect((await verifications()).map(({ is_full }) => is_full)).toEqual([true, false, false])
  // It is logged when it is written down.
  await eventually(() => logged.length === 3)
  expect(logged.map(({ msg }) => msg)).toEqual(['verified', 'verified', 'verified'])
})

test('something lost is logged, alerted once, and over when it is mended', async () => {
  const { messageId } = await shop.placeOrder()
  await shop.relay()
  await sql`create table public.kept as select * from pgboss.job`.execute(shop.db)
  await sql`delete from pgboss.job`.execute(shop.db)
  start('one')
  await eventually(async () => (await verifications()).length === 1)
  expect(await alerts()).toEqual(['verify.lost open'])
  await fiveMinutesPass()
  await eventually(async () => (await verifications()).length === 2)
  expect(await alerts()).toEqual(['verify.lost open'])
  expect(logged).toMatchObject([
    { level: 50, msg: 'verification found something lost' },
    { level: 50, msg: 'verification found something lost' },
  ])

  await sql`insert into pgboss.job select * from public.kept where id = ${messageId}`.execute(
    shop.db,
  )
  await fiveMinutesPass()
  await eventually(async () => (await verifications()).length === 3)
  expect(await alerts()).toEqual(['verify.lost over'])
})

test('a verification that somebody asks for begins at once, and says who asked', async () => {
  start('one')
  await eventually(async () => (await verifications()).length === 1)
  await requestVerification(shop.db, { who: 'eva', isFull: false })
  await eventually(async () => (await verifications()).length === 2)
  await requestVerification(shop.db, { who: 'eva', isFull: true })
  await eventually(async () => (await verifications()).length === 3)
  expect((await verifications()).slice(1)).toMatchObject([
    { requested_by: 'eva', is_full: false },
    { requested_by: 'eva', is_full: true },
  ])
})

test.each([false, true])(
  'what somebody asks for is not lost with the process that began it (everything: %s)',
  async (isFull) => {
    const one = start('one')
    await eventually(async () => (await verifications()).length === 1)
    await one.stop()
    const lock = await shop.pool.connect()
    try {
      await lock.query('begin; lock table orderwheel.orders in access exclusive mode')
      await requestVerification(shop.db, { who: 'eva', isFull })
      const killed = start('killed')
      const waiting = `from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
      await eventually(async () => (await shop.pool.query(`select ${waiting}`)).rowCount)
      const stopped = killed.stop()
      await shop.pool.query(`select pg_terminate_backend(pid) ${waiting}`)
      await stopped
    } finally {
      await lock.query('rollback')
      lock.release()
    }
    // Its claim may be left behind, for a minute.
    await sql`update orderwheel.verify_state set claimed_until = now()`.execute(shop.db)
    start('two')
    await eventually(async () => (await verifications()).length === 2)
    expect((await verifications())[1]).toMatchObject({ requested_by: 'eva', is_full: isFull })
    await eventually(async () => (await readRequest(shop.db)) === undefined)
    expect(await verifications()).toHaveLength(2)
  },
)

test('what is asked for while a full verification goes on is done after it began, once', async () => {
  await requestVerification(shop.db, { who: 'eva', isFull: true })
  const first = await eventually(() => claimVerification(shop.db, 'first'))
  await putDownWalk(shop.db, first, await takeUpWalk(shop.db, { requestedBy: 'eva' }))
  expect(await readRequest(shop.db)).toBeUndefined()
  await requestVerification(shop.db, { who: 'bob', isFull: false })
  await releaseClaim(shop.db, first)

  start('one')
  await eventually(async () => (await verifications()).length === 2)
  expect(await verifications()).toMatchObject([
    { requested_by: 'eva', is_full: true },
    { requested_by: 'bob', is_full: false },
  ])
  expect(await readRequest(shop.db)).toBeUndefined()
})

test('a full verification is put down and taken up by another process where it was', async () => {
  await shop.placeOrder()
  await shop.relay()
  const signal = AbortSignal.timeout(30_000)
  const first = await eventually(() => claimVerification(shop.db, 'first'))
  const begun = await takeUpWalk(shop.db, { requestedBy: 'first' })
  const walk = await runWalk(shop.db, begun, { claim: first, signal, maxSeconds: 0 })
  expect(walk.phase).not.toBe('done')
  await putDownWalk(shop.db, first, walk)
  await sql`update orderwheel.verify_state set claimed_until = now()`.execute(shop.db)

  const second = await eventually(() => claimVerification(shop.db, 'second'))
  const taken = await takeUpWalk(shop.db, { requestedBy: 'second' })
  expect(taken).toEqual(walk)
  const done = await runWalk(shop.db, taken, { claim: second, signal })
  expect(await finish(shop.db, second, done)).toMatchObject({ checked: 1, requestedBy: 'first' })
  // The first one was away for more than a minute: nothing of what it does counts any more.
  await expect(keepClaim(shop.db, first)).rejects.toThrow('Another verification has begun')
  await expect(finish(shop.db, first, done)).rejects.toThrow('Another verification has begun')
  expect(await verifications()).toHaveLength(1)
})

test('a full verification goes on where it was when one of what is new fails, and begins anew when it fails itself', async () => {
  await shop.placeOrder()
  await shop.relay()
  const claim = await eventually(() => claimVerification(shop.db, 'first'))
  const begun = await takeUpWalk(shop.db, { requestedBy: 'eva' })
  const signal = AbortSignal.timeout(30_000)
  const walk = await runWalk(shop.db, begun, { claim, signal, maxSeconds: 0 })
  await putDownWalk(shop.db, claim, walk)
  const failure = { requestedBy: 'first', reason: 'broken' }

  await recordFailure(shop.db, claim, { ...failure, isFull: false })
  expect(await takeUpWalk(shop.db, { requestedBy: 'second' })).toEqual(walk)
  expect(await readRequest(shop.db)).toBeUndefined()

  await recordFailure(shop.db, claim, { ...failure, isFull: true })
  expect(await takeUpWalk(shop.db, { requestedBy: 'second' })).toMatchObject({
    requestedBy: 'second',
  })
  expect(await readRequest(shop.db)).toBe('eva')
  expect(await verifications()).toMatchObject([
    { is_full: false, failure: 'broken' },
    { is_full: true, failure: 'broken' },
  ])
})

/** What each verification asks first is answered with this error, or as ever. */
const failWith = (errcode: string | null) =>
  sql`
    create or replace function orderwheel.history_since() returns timestamptz language plpgsql stable parallel safe as
    ${sql.lit(`begin ${errcode ? `raise exception 'broken' using errcode = '${errcode}';` : ''} return null; end`)}`.execute(
    shop.db,
  )

// A defect, a column that somebody renamed, a table that somebody dropped, a statement that takes too long.
test.each(['42804', '42703', '42P01', '57014'])(
  'a verification that cannot run (%s) is written down, alerted, and not repeated at once',
  async (errcode) => {
    start('one')
    await eventually(async () => (await verifications()).length === 1)
    await failWith(errcode)
    await fiveMinutesPass()
    await eventually(async () => (await verifications()).length === 2)
    expect((await verifications())[1]).toMatchObject({ is_full: false, failure: 'broken' })
    await eventually(async () => (await alerts())[0] === 'verify.failed open')
    expect(logged.filter(({ msg }) => msg === 'verification failed')).toHaveLength(1)

    await failWith(null)
    await fiveMinutesPass()
    await eventually(async () => (await verifications()).length === 3)
    expect(await alerts()).toEqual(['verify.failed over'])
  },
)

test('a full verification that cannot run is alerted until one does, whatever comes of those of what is new', async () => {
  const verifying = start('one')
  await eventually(async () => (await verifications()).length === 1)
  await verifying.stop()
  await failWith('57014')
  await requestVerification(shop.db, { who: 'eva', isFull: true })
  const failing = start('two')
  await eventually(async () => (await verifications()).length === 2)
  await failing.stop()
  expect((await verifications())[1]).toMatchObject({ is_full: true, failure: 'broken' })
  await watchShop(shop.db)
  expect(await alerts()).toEqual(['verify.failed open'])

  await failWith(null)
  await verifyShop(shop.db)
  await watchShop(shop.db)
  expect(await alerts()).toEqual(['verify.failed open'])
  await verifyShop(shop.db, { isFull: true })
  await watchShop(shop.db)
  expect(await alerts()).toEqual(['verify.failed over'])
})

test('a clock that was an hour ahead stops nothing, and nothing that came since is missed', async () => {
  const one = start('one')
  await eventually(async () => (await verifications()).length === 1)
  await one.stop()
  await sql`
    update orderwheel.verify_state
       set watermark = uuidv7(interval '58 minutes'), full_at = now() + interval '1 hour',
           claim = gen_random_uuid(), claimed_until = now() + interval '1 hour'`.execute(shop.db)
  await sql`update orderwheel.verifications set finished_at = finished_at + interval '1 hour'`.execute(
    shop.db,
  )
  await shop.placeOrder()
  await sql`delete from orderwheel.outbox`.execute(shop.db)

  const two = start('two')
  await eventually(async () => (await verifications()).length === 2)
  await two.stop()
  expect((await verifications())[1]).toMatchObject({ is_full: true, lost: 1 })
  expect(await readLastVerification(shop.db)).toMatchObject({ requestedBy: 'two', lost: 1 })
  await fiveMinutesPass()
  start('three')
  await eventually(async () => (await verifications()).length === 3)
  expect((await verifications())[2]).toMatchObject({ is_full: false, lost: 1 })
})

test('a full verification that was put down while the clock was ahead begins anew', async () => {
  const claim = await eventually(() => claimVerification(shop.db, 'first'))
  const walk = await takeUpWalk(shop.db, { requestedBy: 'first' })
  const { rows } = await sql<{ id: string }>`select uuidv7(interval '58 minutes') as id`.execute(
    shop.db,
  )
  const ahead = { ...walk, upTo: rows[0]?.id ?? '' }
  await putDownWalk(shop.db, claim, ahead)
  expect(await takeUpWalk(shop.db, { requestedBy: 'second' })).toMatchObject({
    requestedBy: 'second',
  })
  // One that was under way when the clock was set counts, but not up to a time that has not come.
  await finish(shop.db, claim, { ...ahead, phase: 'done' })
  expect(await takeUpWalk(shop.db, { requestedBy: 'second' })).toMatchObject({ watermark: null })
})

test('results of more than 90 days are forgotten, the newest never', async () => {
  await sql`
    insert into orderwheel.verifications (is_full, requested_by, started_at, finished_at)
    select false, 'old', now() - n * interval '1 day', now() - n * interval '1 day'
      from generate_series(89, 100) n`.execute(shop.db)
  start('one')
  await eventually(async () =>
    (await verifications()).some(({ requested_by }) => requested_by === 'one'),
  )
  expect((await verifications()).map(({ requested_by }) => requested_by)).toEqual(['old', 'one'])
})
