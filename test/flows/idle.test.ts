import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { eventually } from '../support/eventually.ts'
import {
  connectionString,
  startOrderwheel,
  type OrderwheelProcess,
} from '../support/start-process.ts'
import { nobodyCalled as shop } from '../support/nobody-called.ts'
import { onServer, testDatabase, type TestDatabase } from '../support/test-database.ts'

const measuredSeconds = 15

let database: TestDatabase
let running: OrderwheelProcess | undefined

beforeEach(async () => {
  database = await testDatabase()
})
afterEach(async () => {
  await running?.stop()
  await database.close()
})

test.each(['api', 'relay', 'worker', 'all'])(
  'an idle process asks the database at most twice a second: %s',
  async (command) => {
    // Of all sessions on this server only those of the process log what they are asked.
    await database.pool.query(
      `alter database ${database.connection.database} set log_statement = 'all'`,
    )
    running = startOrderwheel([command], {
      ...shop,
      DATABASE_URL: connectionString(database.connection),
    })
    const parts = command === 'all' ? ['relay', 'worker'] : [command]
    for (const part of parts)
      await running.said(part === 'api' ? /listening at/ : new RegExp(`"msg":"${part} started"`))

    // What it does when it starts is not idling: it leases slots of each target, and gives them back unused.
    await secondsPass(3)
    await eventually(noSlotsLeased)
    const before = await readServerLog()
    const seconds = await secondsPass(measuredSeconds)
    const asked = findTransactions((await readServerLog()).slice(before.length))

    const message = `${asked.length} in ${seconds} s:\n${describeOften(asked)}`
    expect(asked.length / seconds, message).toBeLessThanOrEqual(2)
  },
)

async function noSlotsLeased(): Promise<boolean> {
  const { rows } = await database.pool.query('select from orderwheel.slot_leases')
  return rows.length === 0
}

/** Answers how many it were. */
async function secondsPass(seconds: number): Promise<number> {
  const begun = performance.now()
  const passed = () => (performance.now() - begun) / 1_000
  await eventually(() => passed() >= seconds, { withinSeconds: 2 * seconds })
  return passed()
}

/** It lies beside the server's data. */
async function readServerLog(): Promise<string> {
  const folder = await onServer(async (client) => {
    const { rows } = await client.query<{ folder: string }>(
      `select current_setting('data_directory') as folder`,
    )
    return rows[0]?.folder ?? ''
  })
  return readFile(join(dirname(folder), 'postgres.log'), 'utf8')
}

/** The first statement of each transaction. */
function findTransactions(log: string): string[] {
  const inside = new Map<string, boolean>()
  // A statement's further lines begin with a tab.
  const entries = log.matchAll(
    /^.*?\[(\d+)\] LOG: {2}(?:statement|execute [^:]+): (.*(?:\n\t.*)*)/gm,
  )
  return [...entries].flatMap(([, pid = '', text = '']) => {
    const statement = text.replaceAll(/\s+/g, ' ').trim()
    const begins = /^(begin|start transaction)\b/i.test(statement)
    const ends = /^(commit|rollback)\b/i.test(statement) || /;\s*commit;?$/i.test(statement)
    const first = !inside.get(pid) && !ends
    inside.set(pid, (begins || inside.get(pid) === true) && !ends)
    return first || (begins && ends) ? [statement.slice(0, 160)] : []
  })
}

function describeOften(asked: readonly string[]): string {
  return [...Map.groupBy(asked, (statement) => statement)]
    .map(([statement, each]) => `${each.length} × ${statement}`)
    .join('\n')
}
