import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { verifyChain } from '#audit/verify-chain.ts'

import { openAuditedShop, tamper, type AuditedShop } from '../support/audited-shop.ts'

const page = readFileSync(new URL('../../docs/audit-log.md', import.meta.url), 'utf8')
const hasPython = spawnSync('python3', ['--version']).status === 0

let shop: AuditedShop
beforeAll(async () => {
  shop = await openAuditedShop(3)
})
afterAll(() => shop.close())

test('the statements of the page find nothing in a chain that nobody touched, and what somebody did', async () => {
  expect((await shop.pool.query(codeOf('hashes'))).rows).toEqual([])
  expect((await shop.pool.query(codeOf('digests'))).rows).toEqual([])

  await tamper(
    shop,
    `update orderwheel.audit_chain set at = at + interval '1 second' where position = 3`,
  )
  await tamper(
    shop,
    `update orderwheel.orders set document = document || '{"note": "x"}' where id = (select order_id from orderwheel.audit_salts where position = 5)`,
  )
  expect((await shop.pool.query(codeOf('hashes'))).rows).toEqual([{ position: '3' }])
  expect((await shop.pool.query(codeOf('digests'))).rows).toEqual([{ position: '5' }])
  await tamper(
    shop,
    `update orderwheel.audit_chain set at = at - interval '1 second' where position = 3`,
  )
})

test.skipIf(!hasPython)(
  'the lines of Python come to the same last hash, and stop at what was changed',
  async () => {
    const { tip } = await verifyChain(shop.db)
    expect(await runPython()).toBe(tip?.hash)
    await tamper(shop, `update orderwheel.audit_chain set kind = 'masked' where position = 4`)
    expect(await runPython()).toBe('entry 4 is not as it was')
  },
)

async function runPython(): Promise<string> {
  const { rows } = await shop.pool.query<{ json_build_array: unknown }>(codeOf('export'))
  const lines = rows.map((row) => JSON.stringify(row.json_build_array)).join('\n')
  const { stdout, stderr } = spawnSync('python3', ['-c', codeOf('python')], {
    input: lines,
    encoding: 'utf8',
  })
  return (stdout + stderr).trim()
}

function codeOf(mark: string): string {
  return new RegExp(`<!-- ${mark} -->\\s*\`\`\`\\w+\\n(.*?)\`\`\``, 's').exec(page)?.[1] ?? ''
}
