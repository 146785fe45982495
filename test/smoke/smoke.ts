/**
 * The README's own start command, as a newcomer meets it: an order is posted with the printed line, every
 * target is told, everything stops. Prints a line for each check, `ok - …` or `not ok - …`; exits 1 when
 * one failed. Run by .ci/run.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { chmod, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { freePort } from '#embedded-postgres/free-port.ts'
import type { ReceivedMail } from '#simulator/mailbox.ts'
import type { RecordedCall } from '#simulator/recorded-calls.ts'

import { eventually } from '../support/eventually.ts'
import { isAlive, killAll, paste, startShop, whenRunning } from './start-shop.ts'

const dataDirectory = await mkdtemp(join(tmpdir(), 'orderwheel-smoke-'))
// Run by root, PostgreSQL's own user has to reach it.
await chmod(dataDirectory, 0o755)
const [port, simulatorPort, smtpPort] = [await freePort(), await freePort(), await freePort()]
const api = `http://127.0.0.1:${port}`
const simulator = `http://127.0.0.1:${simulatorPort}`
const variables = {
  PORT: String(port),
  ORDERWHEEL_DATA_DIR: dataDirectory,
  ORDERWHEEL_SIMULATOR_PORT: String(simulatorPort),
  ORDERWHEEL_SMTP_PORT: String(smtpPort),
}

let shop = startShop(variables)
let processes: number[] = []
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))
process.on('exit', () => {
  killAll(shop, processes)
  rmSync(dataDirectory, { recursive: true, force: true, maxRetries: 10 })
})

try {
  await runChecks()
} catch (error) {
  // What depends on the failed check is not tried.
  process.stdout.write(
    `${error instanceof Error ? error.stack : String(error)}\n${shop.output()}\n`,
  )
  process.exitCode = 1
}
process.exit()

async function runChecks(): Promise<void> {
  await check('npm start brings everything up', async () => {
    processes = await whenRunning(shop)
    const ready = await fetch(`${api}/readyz`)
    assert.equal(ready.status, 200)
  })

  const invitation = shop.output()
  const externalId = /"externalId": "([^"]+)"/.exec(invitation)?.[1] ?? ''
  await check('the printed curl line posts an order', async () => {
    const answer = await paste(printed(invitation, /^curl -i [\s\S]*?^}'$/m))
    assert.match(answer, /^HTTP\/1.1 202 /)
    assert.ok(externalId !== '' && answer.includes(externalId), answer)
  })

  const lookUp = printed(invitation, /^curl -s .*$/m)
  await check('the order is completed, and what each target answered is visible', async () => {
    const order = await eventually(
      async () => {
        const found = JSON.parse(await paste(lookUp)) as OrderReport
        assert.equal(found.state, 'completed', JSON.stringify(found.deliveries))
        return found
      },
      { withinSeconds: 60 },
    )
    const answers = order.deliveries.map(({ target, attempts }) => {
      return [target, attempts.at(-1)?.answer?.status]
    })
    assert.deepEqual(Object.fromEntries(answers), {
      erp: 201,
      // It is made here, and nobody answers.
      receipt: undefined,
      'confirmation-email': 250,
      'partner-webhook': 200,
      'inventory-eu': 200,
      'inventory-us': 200,
      'inventory-asia': 200,
      crm: 200,
      shipping: 200,
      sms: 201,
      // Nothing to tell: the order has no push token.
      push: undefined,
      // Entered, not called.
      audit: undefined,
      analytics: 202,
    })
  })

  await check('every target was told once, with an Idempotency-Key', async () => {
    for (const target of ['erp', 'partner-webhook', 'inventory-eu', 'sms', 'analytics']) {
      const [call, ...more] = await callsOf(target)
      assert.equal(more.length, 0, target)
      assert.ok(call?.idempotencyKey, target)
    }
    const [webhook] = await callsOf('partner-webhook')
    assert.match(webhook?.headers['webhook-signature'] ?? '', /^v1,/)
  })

  await check(
    'the customer got one mail with the receipt, after the ERP knew the order',
    async () => {
      const mails = (await (await fetch(`${simulator}/mailbox`)).json()) as ReceivedMail[]
      assert.equal(mails.length, 1)
      assert.ok(mails[0]?.subject.includes(externalId), mails[0]?.subject)
      assert.deepEqual(mails[0]?.envelope.to, ['ada@example.com'])
      const attached = mails[0].attachments.map(({ filename }) => filename)
      assert.deepEqual(attached, [`receipt-${externalId}.pdf`])
      const [erp] = await callsOf('erp')
      assert.ok(
        Date.parse(mails[0].receivedAt) >= Date.parse(erp?.at ?? '') + (erp?.durationMs ?? 0),
      )
    },
  )

  await check('the other commands tell the story of the order', async () => {
    const database = printed(invitation, /^export DATABASE_URL=.*$/m)
    const story = await paste(`${database}\n${printed(invitation, /^npx orderwheel order .*$/m)}`)
    for (const target of [
      'erp',
      'receipt',
      'confirmation-email',
      'partner-webhook',
      'audit',
      'analytics',
    ]) {
      assert.ok(story.includes(target), story)
    }
  })

  await check('Ctrl-C stops all of it, and npm start ends well', async () => {
    await stops(() => shop.signalAll('SIGINT'))
  })

  await check('a second start finds the order again', async () => {
    shop = startShop(variables)
    processes = await whenRunning(shop)
    const found = JSON.parse(await paste(lookUp)) as OrderReport
    assert.equal(found.state, 'completed')
  })

  await check('SIGTERM stops all of it, too', async () => {
    await stops(() => shop.signal('SIGTERM'))
  })
}

type OrderReport = {
  state: string
  deliveries: { target: string; attempts: { answer: { status?: number } | null }[] }[]
}

async function check(sentence: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
    process.stdout.write(`ok - ${sentence}\n`)
  } catch (error) {
    process.stdout.write(`not ok - ${sentence}\n`)
    throw error
  }
}

function printed(text: string, pattern: RegExp): string {
  const [found] = pattern.exec(text) ?? []
  assert.ok(found, `npm start did not print ${String(pattern)}`)
  return found
}

async function callsOf(target: string): Promise<RecordedCall[]> {
  return (await (await fetch(`${simulator}/${target}/calls`)).json()) as RecordedCall[]
}

/** Ended well, every process with it, and nobody listens any more. */
async function stops(signal: () => void): Promise<void> {
  assert.ok(processes.length > 3, 'npm, its shell, Orderwheel and PostgreSQL')
  signal()
  await eventually(() => !processes.some(isAlive), { withinSeconds: 30 })
  assert.equal(await shop.ended, 0)
  for (const each of [port, simulatorPort, smtpPort]) {
    await assert.rejects(fetch(`http://127.0.0.1:${each}/`))
  }
}
