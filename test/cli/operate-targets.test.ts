import { userInfo } from 'node:os'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

const me = userInfo().username
let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase()
  await database.pool.query(`
    insert into orderwheel.targets (name, kind, concurrency, rate_max, rate_per_seconds, priority)
    values ('erp', 'http', 20, null, null, 'high'), ('mail', 'email', 5, 10, 1, 'normal'),
           ('crm', 'http', 8, null, null, 'low')`)
})
afterAll(() => database.close())

test('a target is paused and resumed from the command line, and every view says so', async () => {
  const paused = await run('pause', 'erp', '--reason', 'ERP  upgrade', '--for', '30m')
  expect(paused.output).toMatch(/^erp is paused until 2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z\n$/)
  expect(paused.code).toBe(0)

  const list = await run('targets')
  expect(list.output).toMatch(
    new RegExp(
      `^erp +http +high +0 +20 +no limit +closed +paused by ${me} until \\d\\d:\\d\\dZ +-$`,
      'm',
    ),
  )
  expect(list.output).toMatch(
    new RegExp(`^erp: paused by ${me} since .* until .*: ERP upgrade$`, 'm'),
  )
  const status = await run('status')
  expect(status.output).toMatch(
    new RegExp(`^erp .* closed +paused by ${me} until \\d\\d:\\d\\dZ$`, 'm'),
  )
  const { targets } = JSON.parse((await run('status', '--json')).output)
  expect(targets.find((one: { target: string }) => one.target === 'erp').paused).toEqual({
    by: me,
    reason: 'ERP upgrade',
    until: expect.stringMatching(/Z$/),
  })

  const again = await run('pause', 'erp', '--reason', 'longer', '--until', '2999-01-01T00:00+02:00')
  expect(again.output).toContain('erp is paused until 2998-12-31 22:00:00.000Z')
  expect(again.output).toContain(`It was paused already, by ${me}: ERP upgrade (until `)

  const resumed = await run('resume', 'erp', '--reason', 'done')
  expect(resumed.output).toContain('erp is called again.')
  expect(resumed.code).toBe(0)
  expect(await run('resume', 'erp')).toEqual({ code: 1, output: 'erp is not paused.\n' })

  const changes = JSON.parse((await run('targets', 'changes', 'erp', '--json')).output)
  expect(changes.map(({ change }: { change: string }) => change)).toEqual([
    'paused',
    'paused',
    'resumed',
  ])
  expect(changes.at(-1)).toMatchObject({ who: me, reason: 'done' })
  expect((await run('targets', 'changes', 'erp')).output).toMatch(/resumed +\S+ +done$/m)
})

test('an open circuit is shown with its age, its next probe and its reason', async () => {
  await database.pool.query(`
    update orderwheel.targets
       set circuit = 'open', circuit_since = now() - interval '2 hours', circuit_reason = '5 calls failed in a row',
           probe_at = now() + interval '40 minutes'
     where name = 'crm'`)
  expect((await run('status')).output).toMatch(/^crm .* open 2h, probe in 40m +-$/m)
  const list = await run('targets', 'list')
  expect(list.output).toMatch(/^crm +http +low +0 +8 +no limit +open 2h, probe in 40m +- +-$/m)
  expect(list.output).toMatch(
    /^crm: circuit open since .*Z, next probe .*Z: 5 calls failed in a row$/m,
  )
  const { targets } = JSON.parse((await run('status', '--json')).output)
  expect(targets.find((one: { target: string }) => one.target === 'crm')).toMatchObject({
    circuit: {
      state: 'open',
      since: expect.any(String),
      reason: '5 calls failed in a row',
      probeAt: expect.any(String),
    },
    paused: null,
  })
})

test('limits are set, shown beside the configuration’s, and given back to it', async () => {
  const set = await run('targets', 'set', 'mail', '--concurrency', '2', '--rate', '30/60')
  expect(set).toEqual({
    code: 0,
    output:
      'mail: concurrency 5 (the configuration’s) → 2, rate 10 in 1 s (the configuration’s) → 30 in 60 s\n',
  })
  expect((await run('targets')).output).toMatch(
    /^mail +email +normal +0 +2 \(default 5\) +30 in 60 s \(default 10 in 1 s\) +closed +- +-$/m,
  )
  await run('targets', 'set', 'mail', '--concurrency', 'default', '--rate', 'default')
  const all = JSON.parse((await run('targets', '--json')).output)
  expect(all.find((one: { target: string }) => one.target === 'mail')).toMatchObject({
    concurrency: 5,
    rate: { max: 10, perSeconds: 1 },
    concurrencySet: false,
    rateSet: false,
    slotsInUse: 0,
  })
})

test('a lower concurrency is waited for until the calls that run already have ended', async () => {
  await lease(7)
  const set = start('targets', 'set', 'mail', '--concurrency', '3')
  await set.said(/mail: up to 7 calls still run, waiting until it is 3 …/)
  await lease(4)
  await set.said(/mail: up to 4 calls still run, waiting until it is 3 …/)
  expect(set.child.exitCode).toBeNull()

  await lease(3)

  expect(await set.ended).toBe(0)
  expect(set.output()).toContain('mail: at most 3 calls at a time now.')

  await lease(3)
  const unwaited = await run('targets', 'set', 'mail', '--concurrency', '1', '--no-wait')
  expect(unwaited.code).toBe(0)
  expect(unwaited.output).not.toContain('waiting')
  await database.pool.query(`delete from orderwheel.slot_leases`)
})

test.each([
  [['pause', 'epr', '--reason', 'x'], 'There is no target "epr"; did you mean erp?'],
  [['resume', 'xyzzy'], 'There is no target "xyzzy"; there are crm, erp, mail.'],
  [['targets', 'set', 'mial', '--rate', 'none'], 'There is no target "mial"; did you mean mail?'],
  [['targets', 'changes', 'crn'], 'There is no target "crn"; did you mean crm?'],
])('an unknown name is answered with the likely one: %j', async (args, answer) => {
  expect(await run(...args)).toEqual({ code: 1, output: `${answer}\n` })
})

test.each([
  [['pause', 'erp'], 'it needs --reason, for example --reason "ERP is being upgraded"'],
  [
    ['pause', 'erp', '--reason', 'x', '--until', '2026-01-01T00:00Z'],
    '--until has passed: the database says 2',
  ],
  [['resume'], 'which target? Give its name'],
  [['targets', 'set', 'erp', '--rate', '10'], '--rate is "10": write calls/seconds'],
])('a wrong command line is answered with what would be right: %j', async (args, answer) => {
  const { code, output } = await run(...args)

  expect(output).toContain(answer)
  expect(code).toBe(2)
})

async function lease(slots: number): Promise<void> {
  await database.pool.query(
    `insert into orderwheel.slot_leases (target, worker, slots, wanted) values ('mail', 'one', $1, 9)
     on conflict (target, worker) do update set slots = excluded.slots, renewed_at = now()`,
    [slots],
  )
}

function start(...args: string[]) {
  return startOrderwheel(args, { DATABASE_URL: connectionString(database.connection) })
}

async function run(...args: string[]) {
  const process = start(...args)
  return { code: await process.ended, output: process.output() }
}
