import { afterEach, expect, test } from 'vitest'

import { createLog } from '#base/log.ts'
import { changeReplay } from '#dead-letters/change-replay.ts'
import { readReplay } from '#dead-letters/read-replays.ts'
import { replayPass } from '#dead-letters/replay-pass.ts'
import { startReplaying } from '#dead-letters/run-replays.ts'
import { pauseTarget } from '#limits/pause-target.ts'
import { giveUp } from '#targets/outcome.ts'

import { eventually } from '../support/eventually.ts'
import { httpTarget } from '../support/http-target.ts'
import { nobodyCalled } from '../support/nobody-called.ts'
import { type PickyErp, startPickyErp } from '../support/picky-erp.ts'
import {
  connectionString,
  type OrderwheelProcess,
  startOrderwheel,
} from '../support/start-process.ts'
import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'
import { askForReplay } from '../support/work-off-replays.ts'

let shop: TestShop
let erp: PickyErp | undefined
const processes: OrderwheelProcess[] = []

afterEach(async () => {
  await Promise.all(processes.splice(0).map((process) => process.stop('SIGKILL')))
  await erp?.stop()
  erp = undefined
  await shop.close()
})

test('after a mistake in the mapping: it is corrected, the dead letters are replayed, and each order is delivered under its first key', async () => {
  erp = await startPickyErp((body) => body.includes('"sku"'))
  const { url } = erp
  const wrong = httpTarget('erp', { url, body: ({ order }) => ({ article: order.items[0]?.sku }) })
  const right = httpTarget('erp', { url, body: ({ order }) => ({ sku: order.items[0]?.sku }) })
  shop = await openTestShop([wrong])
  const first = shop.startWorker()
  for (let n = 0; n < 12; n += 1) await shop.placeOrder()
  await shop.relay()
  first.wake()
  await eventually(async () => (await countStates()).dead === 12)
  await first.stop()

  // The operator deploys the corrected configuration: a new worker, which also works off replays.
  const mended = shop.startWorker({ targets: [right] })
  const replaying = work(() => mended.wake())
  const id = await askForReplay(shop, {
    filter: { target: 'erp', error: '422' },
    ratePerSecond: 50,
  })
  replaying.wake()
  await eventually(async () => (await countStates()).delivered === 12)
  await replaying.stop()

  expect(await readReplay(shop.db, id)).toMatchObject({ state: 'finished', done: 12, refused: 0 })
  const keys = (status: number) =>
    new Set(
      erp?.calls
        .filter((call) => call.status === status)
        .map((call) => call.headers['idempotency-key']),
    )
  expect(erp.calls).toHaveLength(24)
  expect(keys(201)).toEqual(keys(422))
  const { rows } = await shop.pool.query(
    `select number, outcome, count(*)::int from orderwheel.delivery_attempts group by 1, 2 order by 1`,
  )
  expect(rows).toEqual([
    { number: 1, outcome: 'give-up', count: 12 },
    { number: 2, outcome: 'delivered', count: 12 },
  ])
  await Promise.all([wrong.close(), right.close()])
})

test('what dies again after a replay is a dead letter again, and can be replayed again', async () => {
  let mended = false
  shop = await openTestShop([
    testTarget('erp', {
      call: async () => (mended ? { kind: 'delivered' } : giveUp('no such article')),
    }),
  ])
  const worker = shop.startWorker()
  const replaying = work(() => worker.wake())
  await shop.placeOrder()
  await shop.relay()
  worker.wake()
  await eventually(async () => (await countStates()).dead === 1)
  await askForReplay(shop)
  replaying.wake()
  await eventually(async () => (await countLetters()) === 2 && (await countStates()).dead === 1)

  mended = true
  await askForReplay(shop)
  replaying.wake()
  await eventually(async () => (await countStates()).delivered === 1)
  await replaying.stop()
  expect(await countLetters()).toBe(2)
})

test('a worker that is killed while it replays loses and doubles nothing, and the others go on at the same rate', async () => {
  await openDeadShop(300)
  processes.push(startWorkerProcess(), startWorkerProcess())
  await Promise.all(processes.map((process) => process.said(/worker started/)))
  const id = await askForReplay(shop, { ratePerSecond: 60 })
  await eventually(async () => ((await readReplay(shop.db, id))?.done ?? 0) > 60)
  await processes[0]?.stop('SIGKILL')

  const report = await eventually(
    async () => {
      const found = await readReplay(shop.db, id)
      return found?.state === 'finished' && found
    },
    { withinSeconds: 40 },
  )

  expect(report).toMatchObject({ total: 300, done: 300, refused: 0 })
  expect(await countStates()).toEqual({ queued: 300 })
  const { rows: jobs } = await shop.pool.query(
    `select count(*)::int, count(distinct id)::int as ids from pgboss.job where name = 'erp' and state = 'created'`,
  )
  expect(jobs).toEqual([{ count: 300, ids: 300 }])
  expect(await mostInASecond(id)).toBeLessThanOrEqual(2 * 60)
})

test('a replay that was paused is nobody’s; resumed, it goes on where it was', async () => {
  await openDeadShop(40)
  const replaying = work(() => {})
  const id = await askForReplay(shop, { ratePerSecond: 20 })
  replaying.wake()
  await eventually(async () => ((await readReplay(shop.db, id))?.done ?? 0) > 5)
  await change(id, 'pause')
  const paused = (await readReplay(shop.db, id))?.done

  expect(await replayPass(shop)).toBeNull()
  expect(await readReplay(shop.db, id)).toMatchObject({ state: 'paused', done: paused })
  await change(id, 'resume')
  replaying.wake()
  await eventually(async () => (await readReplay(shop.db, id))?.state === 'finished')
  await replaying.stop()
  expect(await readReplay(shop.db, id)).toMatchObject({ done: 40 })
})

test('a worker that ends when nothing is left works a running replay off first', async () => {
  await openDeadShop(20)
  const id = await askForReplay(shop, { ratePerSecond: 10 })
  const worker = startOrderwheel(['worker', '--drain', '--max-seconds', '30'], environment())
  processes.push(worker)

  expect(await worker.ended).toBe(0)
  expect(await readReplay(shop.db, id)).toMatchObject({ state: 'finished', done: 20 })
})

test('the command shows what it replays, works it off without a worker, and says how it ended', async () => {
  await openDeadShop(6)
  const dry = await run('dead-letters', 'replay', '--target', 'erp', '--dry-run')
  expect(dry.output).toMatch(/^6 dead letters to replay:\n.*erp .*no such article/s)
  expect(dry.output).toMatch(/^6 dead letters to erp; is paused by eva: upgrade, they will wait$/m)
  expect(await countStates()).toEqual({ dead: 6 })

  const { code, output } = await run(
    'dead-letters',
    'replay',
    '--target',
    'erp',
    '--reason',
    'mended',
  )
  expect(output).toMatch(/^6 of 6 replayed. Replay [0-9a-f-]{36}$/m)
  expect(code).toBe(0)
  expect(await countStates()).toEqual({ queued: 6 })

  const again = await run('dead-letters', 'replay', '--target', 'erp')
  expect(again.output).toMatch(/^No open dead letter is meant by that/m)
  expect(again.code).toBe(1)
})

test('a second replay of the same letter is refused with a sentence that says who was first, and when', async () => {
  await openDeadShop(1)
  const { rows } = await shop.pool.query<{ id: string }>(`select id from orderwheel.dead_letters`)
  const id = rows[0]?.id ?? ''
  expect((await run('dead-letters', 'replay', id)).code).toBe(0)

  const { code, output } = await run('dead-letters', 'replay', id)

  expect(output).toMatch(
    /^It was replayed by \S+ at \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ \(replay .*\)\.$/m,
  )
  expect(code).toBe(1)
})

test('Ctrl-C leaves a replay to the workers and says so', async () => {
  await openDeadShop(60)
  const command = startOrderwheel(
    ['dead-letters', 'replay', '--all', '--rate', '15'],
    environment(),
  )
  processes.push(command)
  await command.said(/\d+ of 60 replayed; at least \d+ s to go/)

  expect(await command.stop('SIGINT')).toBe(1)

  expect(command.output()).toMatch(/It goes on without this command: orderwheel replays show /)
  const replaying = work(() => {})
  await eventually(async () => (await countStates()).queued === 60)
  await replaying.stop()
})

test('a replay is shown, paused, slowed down, resumed and cancelled by commands', async () => {
  await openDeadShop(4)
  const { output } = await run('dead-letters', 'replay', '--all', '--rate', '0.01', '--no-wait')
  const id = /replays show ([0-9a-f-]{36})/.exec(output)?.[1] ?? ''

  expect((await run('replays', 'pause', id, '--reason', 'ERP groans')).output).toContain(
    'is paused',
  )
  expect(await run('replays', 'pause', id)).toMatchObject({
    code: 1,
    output: expect.stringMatching(/ is paused, by \S+ at /),
  })
  expect((await run('replays', 'rate', id, '5')).output).toContain('is paused, at 5 a second')
  expect((await run('replays', 'resume', id)).output).toContain('is running')
  expect((await run('replays')).output).toMatch(new RegExp(`^${id}  replay  running +0 `, 'm'))
  expect((await run('replays', 'cancel', id)).output).toContain('is cancelled')
  const shown = await run('replays', 'show', id)
  expect(shown.output).toMatch(/^0 of 4 replayed, 0 refused, 4 left as they were, 5 a second$/m)
  expect(shown.output.match(/ cancelled {2}dead/g)).toHaveLength(4)
  expect(await countStates()).toEqual({ dead: 4 })
})

/** Deliveries that died at an ERP, which is paused now: what is replayed stays queued. */
async function openDeadShop(count: number) {
  shop = await openTestShop([
    testTarget('erp', {
      circuit: null,
      concurrency: 100,
      call: async () => giveUp('no such article'),
    }),
  ])
  for (let n = 0; n < count; n += 1) await shop.placeOrder()
  const worker = shop.startWorker()
  await shop.relay()
  worker.wake()
  await eventually(async () => (await countStates()).dead === count)
  await worker.stop()
  await pauseTarget(shop.db, { target: 'erp', who: 'eva', reason: 'upgrade', end: null })
}

function work(wakeWorker: () => void) {
  const { db, boss } = shop
  const replaying = startReplaying({ db, boss, log: createLog('test', 'silent') })
  // What the notification does in a worker's process.
  const poll = setInterval(wakeWorker, 100)
  return {
    ...replaying,
    stop: () => {
      clearInterval(poll)
      return replaying.stop()
    },
  }
}

const environment = () => ({ ...nobodyCalled, DATABASE_URL: connectionString(shop.connection) })

/** With the demo shop's configuration: it works off what is asked of any target. */
function startWorkerProcess(): OrderwheelProcess {
  return startOrderwheel(['worker', '--target', 'analytics'], environment())
}

async function run(...args: string[]) {
  const process = startOrderwheel(args, environment())
  return { code: await process.ended, output: process.output() }
}

function change(id: string, kind: 'pause' | 'resume') {
  return changeReplay(shop.db, { id, change: { kind }, who: 'eva', reason: null })
}

async function countStates(): Promise<Record<string, number>> {
  const { rows } = await shop.pool.query<{ state: string; count: number }>(
    `select state, count(*)::int from orderwheel.deliveries group by state`,
  )
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]))
}

async function countLetters(): Promise<number> {
  const { rowCount } = await shop.pool.query('select from orderwheel.dead_letters')
  return rowCount ?? 0
}

async function mostInASecond(id: string): Promise<number> {
  const { rows } = await shop.pool.query<{ most: number }>(
    `select max(n)::int as most from (
       select count(*) over (order by worked_off_at range between current row and interval '1 second' following) as n
         from orderwheel.replay_items where replay_id = $1) w`,
    [id],
  )
  return rows[0]?.most ?? 0
}
