import { afterAll, beforeAll, expect, test } from 'vitest'

import { buryMany } from '../support/bury-many.ts'
import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
  await database.pool.query(
    `insert into orderwheel.targets (name, kind, concurrency) values ('erp', 'http', 1), ('rare', 'http', 1)`,
  )
  await buryMany(database.pool, { count: 300, closedShare: 0.1 })
}, 120_000)
afterAll(() => database.close())

async function run(...args: string[]): Promise<{ code: number | string | null; output: string }> {
  const command = startOrderwheel(['dead-letters', ...args], {
    DATABASE_URL: connectionString(database.connection),
  })
  return { code: await command.ended, output: command.output().trimEnd() }
}

async function firstId(...args: string[]): Promise<string> {
  const { output } = await run('list', '--limit', '1', '--json', ...args)
  return JSON.parse(output).letters[0].id as string
}

test('letters are listed page by page, with how to go on', async () => {
  const { code, output } = await run('list', '--limit', '2')
  expect(code).toBe(0)
  const lines = output.split('\n')
  expect(lines).toHaveLength(6)
  expect(lines[1]).toMatch(/^[0-9a-f-]{36} .*Z {2}WEB-\d+ +(erp|rare) +422 E\d+$/)
  const after = /--after (\S+)/.exec(output)?.[1] ?? ''
  const next = await run('list', '--limit', '2', '--after', after)
  expect(next.output).not.toContain(lines[1]?.slice(0, 36))
})

test('closed letters are listed apart, and all of them together', async () => {
  const closed = JSON.parse((await run('list', '--closed', '--limit', '500', '--json')).output)
  const open = JSON.parse((await run('list', '--limit', '500', '--json')).output)
  const all = JSON.parse((await run('list', '--all', '--limit', '500', '--json')).output)
  expect(closed.letters.length + open.letters.length).toBe(300)
  expect(all.letters).toHaveLength(300)
  expect((await run('list', '--closed', '--limit', '1')).output).toContain('discarded by unknown')
})

test('a letter is shown with every attempt, whatever control characters its target answered', async () => {
  const id = await firstId()
  await database.pool.query(`update orderwheel.dead_letters set attempts = $1 where id = $2`, [
    JSON.stringify([
      {
        number: 1,
        started_at: '2026-01-01T10:00:00+00:00',
        duration_ms: 20,
        outcome: 'give-up',
        reason: 'answered 422',
        worker: 'host:1:ab',
        charged: true,
        answer: {
          status: 422,
          code: 'UNKNOWN_SKU',
          headers: { 'x-request-id': 'r-7' },
          text: 'no\u001b[2J such\nsku',
        },
      },
    ]),
    id,
  ])
  const { code, output } = await run('show', id)
  expect(code).toBe(0)
  expect(output.split('\n')).toEqual([
    `Dead letter ${id}`,
    expect.stringMatching(
      /^(erp|rare) was not told of order.placed of order WEB-\d+ \([0-9a-f-]{36}\)$/,
    ),
    expect.stringMatching(/^Given up .*Z: answered 422$/),
    expect.stringMatching(/^Group [0-9a-f]{12}$/),
    '',
    'Attempt 1 2026-01-01 10:00:00.000Z by host:1:ab: give-up after 0.0 s — answered 422',
    '  422 UNKNOWN_SKU',
    '  x-request-id: r-7',
    '  no\uFFFD[2J such',
    '  sku',
    '',
    `Open: mend the cause, then orderwheel dead-letters replay ${id}, or discard ${id} --reason …`,
  ])
})

test('groups say how many orders since when, with the command for each', async () => {
  const { code, output } = await run('groups', '--target', 'rare', '--limit', '1')
  expect(code).toBe(0)
  const [first, ...commands] = output.split('\n')
  expect(first).toMatch(/^rare 422 E\d+, \d+ orders since .*\d\d:\d\dZ$/)
  expect(commands.map((line) => line.trim().replace(/[0-9a-f]{12}/, '<group>'))).toEqual([
    'look:    orderwheel dead-letters list --group <group>',
    'replay:  orderwheel dead-letters replay --group <group>',
    'discard: orderwheel dead-letters discard --group <group> --reason …',
  ])
})

test('letters are held and released, with a reason', async () => {
  const id = await firstId('--target', 'erp')
  expect(await run('hold', id, '--reason', 'lawsuit')).toEqual({
    code: 0,
    output: '1 dead letter held.',
  })
  expect((await run('show', id)).output).toMatch(/Held since .* by .*: lawsuit/)
  expect(await run('hold', '--target', 'rare', '--reason', 'lawsuit')).toEqual({
    code: 0,
    output: '30 dead letters held.',
  })
  expect((await run('release', id, '--reason', 'over')).code).toBe(0)
  expect((await run('release', id, '--reason', 'over')).code).toBe(1)
})

test.each([
  [['show'], 'which dead letter'],
  [['show', 'x'], 'is no id'],
  [['list', '--closed', '--all'], 'not both'],
  [['list', '--limit', '501'], '1 to 500'],
  [['list', '--after', 'x'], 'none of the places'],
  [['hold', '--reason', 'x'], 'which?'],
  [['hold', '--target', 'erp'], 'needs --reason'],
])('wrong usage is said and exits 2: %j', async (args, said) => {
  const { code, output } = await run(...args)
  expect(output).toContain(said)
  expect(code).toBe(2)
})

test.each(['hold', 'release', 'replay', 'discard'])(
  'to %s a letter that is not there is refused, and so are those named with it',
  async (action) => {
    const id = await firstId('--target', 'erp')
    const unknown = '0199c7b2-7a55-7b0a-8a3e-3f1c5ce0b7f4'
    for (const ids of [[unknown], [id, unknown]])
      expect(await run(action, ...ids, '--reason', 'x')).toEqual({
        code: 1,
        output: `There is no dead letter ${unknown}: nothing was changed. See orderwheel dead-letters list --all`,
      })
    expect((await run('show', id)).output).not.toContain('Held since')
    expect(await firstId('--target', 'erp')).toBe(id)
  },
)

test('without an action, dead letters are listed', async () => {
  expect(await run('--limit', '2')).toEqual(await run('list', '--limit', '2'))
})

test('why there is nothing to replay is told without the control characters in it', async () => {
  const { rows } = await database.pool.query<{ id: string }>(
    `update orderwheel.dead_letters set comment = E'told\\x1b[2J'
      where id = (select id from orderwheel.dead_letters where resolved_at is not null limit 1) returning id`,
  )
  const { code, output } = await run('replay', rows[0]?.id ?? '')
  expect(output).toMatch(/It was discarded by .*: told\uFFFD\[2J\./)
  expect(code).toBe(1)
})

test('an unknown target or letter is said', async () => {
  const target = await run('list', '--target', 'epr')
  expect(target).toMatchObject({ code: 1, output: expect.stringContaining('did you mean erp?') })
  const letter = await run('show', '0199c7b2-7a55-7b0a-8a3e-3f1c5ce0b7f4')
  expect(letter).toMatchObject({ code: 1, output: expect.stringContaining('no dead letter') })
})

const wrongTarget = 'There is no target "nope"; there are erp, rare.'

test.each([
  [['list']],
  [['groups']],
  [['replay', '--dry-run']],
  [['replay', '--shed', '--dry-run']],
  [['replay', '--reason', 'mended']],
  [['discard', '--reason', 'tests']],
  [['hold', '--reason', 'lawsuit']],
  [['release', '--reason', 'lawsuit']],
])('a misspelt target never reads as if nothing were dead: %j', async (args) => {
  expect(await run(...args, '--target', 'nope')).toMatchObject({ code: 1, output: wrongTarget })
})

test('letters of a target that no process declares any more are replayed and discarded as ever', async () => {
  await database.pool.query(`delete from orderwheel.targets where name = 'rare'`)
  const { code, output } = await run('discard', '--target', 'rare', '--dry-run')
  expect(code).toBe(0)
  expect(output).toMatch(/^\d+ dead letters? to discard:/)
})
