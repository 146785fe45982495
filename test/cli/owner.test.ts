import { afterEach, beforeEach, expect, test } from 'vitest'

import { onlyDeployment } from '#base/deployment.ts'
import { claimOwnership } from '#owner/write-owner.ts'

import { nobodyCalled } from '../support/nobody-called.ts'
import { connectionString, startOrderwheel } from '../support/start-process.ts'
import { testDatabase, type TestDatabase } from '../support/test-database.ts'

let database: TestDatabase

beforeEach(async () => {
  database = await testDatabase()
  await claimOwnership(database.db, { environment: 'production' }, 'worker of production')
})
afterEach(() => database.close())

test('whose database it is can be seen, taken, and seen in the status', async () => {
  expect(await run('owner', 'production')).toMatchObject({
    code: 0,
    said: expect.stringContaining('This environment owns the database.'),
  })
  const elsewhere = await run('owner')
  expect(elsewhere.code).toBe(1)
  expect(elsewhere.said).toMatch(/environment +production +\(no name\)/)
  expect(elsewhere.said).toContain('orderwheel owner --take --reason')
  expect((await run('status')).said).toMatch(/^Another environment owns this database/)

  expect(await run('owner --take')).toMatchObject({
    code: 2,
    said: expect.stringContaining('it needs --reason'),
  })
  const taken = await run('owner --take --json --reason rehearsal')
  expect(taken.code).toBe(0)
  expect(JSON.parse(taken.said)).toMatchObject({
    before: { fit: 'environment', owner: { environment: 'production' } },
    after: { fit: 'fits', owner: { environment: null } },
  })
  expect((await run('owner', 'production')).code).toBe(1)
  expect((await run('status')).said).toMatch(/^Relay: /)
})

test('a new database is nobody’s, which is well: the first worker makes it its environment’s', async () => {
  await database.pool.query('delete from orderwheel.installation')
  expect(await run('owner')).toMatchObject({
    code: 0,
    said: expect.stringContaining('Nobody owns this database yet'),
  })
  expect((await run('status')).said).toMatch(/^Relay: /)
})

test('an api on a copy is ready to take orders, and says that nothing is delivered', async () => {
  const api = startOrderwheel(['api'], {
    ...nobodyCalled,
    DATABASE_URL: connectionString(database.connection),
  })
  try {
    const [, url = ''] = await api.said(/listening at (http:\S+?)"/)
    const answer = await fetch(`${url}/readyz`)
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({
      status: 'ready',
      note: expect.stringContaining('Nothing is delivered from here'),
    })
  } finally {
    await api.stop()
  }
})

test('a drain on a copy ends at once, and says why it did nothing', async () => {
  const { code, said } = await run('worker --drain')
  expect(code).toBe(0)
  expect(said).toContain('nothing is delivered from this database')
  expect(said).toContain('"msg":"drained"')
})

async function run(command: string, environment: string | null = onlyDeployment.environment) {
  const started = startOrderwheel(command.split(' '), {
    ...nobodyCalled,
    DATABASE_URL: connectionString(database.connection),
    ...(environment === null ? {} : { ORDERWHEEL_ENVIRONMENT: environment }),
  })
  const code = await started.ended
  return { code, said: started.output() }
}
