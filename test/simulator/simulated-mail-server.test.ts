import { createTransport } from 'nodemailer'
import { expect, test } from 'vitest'

import type { ReceivedMail } from '#simulator/mailbox.ts'

import { getJson, put, startTestSimulator } from './start-test-simulator.ts'

const mail = {
  from: 'Demo Shop <shop@example.com>',
  to: 'Ada Lovelace <ada@example.com>',
  subject: 'Bestellung WEB-1 bestätigt',
  text: 'Danke, Ada!',
  html: '<p>Danke, Ada!</p>',
  messageId: '<order-1@shop.example.com>',
  headers: { 'X-Order': 'WEB-1' },
}

test('a mail that was accepted is in the mailbox as the buyer would read it', async () => {
  const { url, smtpUrl } = await startTestSimulator()
  const { response } = await send(smtpUrl, {
    attachments: [{ filename: 'receipt.pdf', content: 'pdf', contentType: 'application/pdf' }],
  })
  expect(response).toMatch(/^250 /)
  const [received, ...others] = await mailbox(url)
  expect(others).toEqual([])
  expect(received).toMatchObject({
    envelope: { from: 'shop@example.com', to: ['ada@example.com'] },
    from: '"Demo Shop" <shop@example.com>',
    to: '"Ada Lovelace" <ada@example.com>',
    subject: 'Bestellung WEB-1 bestätigt',
    messageId: '<order-1@shop.example.com>',
    text: 'Danke, Ada!',
    html: '<p>Danke, Ada!</p>',
    headers: { 'x-order': 'WEB-1' },
    attachments: [{ filename: 'receipt.pdf', contentType: 'application/pdf', bytes: 3 }],
  })
  await fetch(`${url}/mailbox`, { method: 'DELETE' })
  expect(await mailbox(url)).toEqual([])
})

test('a mail without a text part shows none', async () => {
  const { url, smtpUrl } = await startTestSimulator()
  await createTransport(smtpUrl).sendMail({ from: mail.from, to: mail.to, html: mail.html })
  expect(await mailbox(url)).toMatchObject([
    { text: '', html: expect.stringContaining('<p>Danke, Ada!</p>') },
  ])
})

test('only the last 1 000 mails are kept', async () => {
  const { url, smtpUrl } = await startTestSimulator()
  await put(`${url}/mailbox/behaviour`, { latencyMs: 0 })
  const transport = createTransport({ url: smtpUrl, pool: true, maxConnections: 5 })
  await Promise.all(
    Array.from({ length: 1_001 }, () => transport.sendMail({ ...mail, attachments: [] })),
  )
  transport.close()
  expect(await mailbox(url)).toHaveLength(1_000)
})

test('a mail server that is down refuses connections with 421, and takes mail again afterwards', async () => {
  const { url, smtpUrl } = await startTestSimulator()
  await put(`${url}/mailbox/behaviour`, { outage: true })
  await expect(send(smtpUrl)).rejects.toMatchObject({ responseCode: 421 })
  await put(`${url}/mailbox/behaviour`, { outage: false })
  await send(smtpUrl)
  expect(await mailbox(url)).toHaveLength(1)
})

test('an outage reaches a client that kept its connection', async () => {
  const { url, smtpUrl } = await startTestSimulator()
  const transport = createTransport({ url: smtpUrl, pool: true, maxConnections: 1 })
  await transport.sendMail(mail)
  await put(`${url}/mailbox/behaviour`, { outage: true })
  await expect(transport.sendMail(mail)).rejects.toMatchObject({ responseCode: 421 })
  transport.close()
})

test('a recipient that does not exist is refused for good, the others are not', async () => {
  const { url, smtpUrl } = await startTestSimulator()
  await put(`${url}/mailbox/behaviour`, { rejectRecipients: ['Ada@Example.com'] })
  await expect(send(smtpUrl)).rejects.toMatchObject({ responseCode: 550 })
  await send(smtpUrl, { to: 'bob@example.com' })
  expect(await mailbox(url)).toMatchObject([{ to: 'bob@example.com' }])
})

test('the reply to every recipient can be set', async () => {
  const { url, smtpUrl } = await startTestSimulator()
  await put(`${url}/mailbox/behaviour`, { status: 452 })
  await expect(send(smtpUrl)).rejects.toMatchObject({ responseCode: 452 })
})

test('an error rate of 1 answers every mail with 451 and keeps none', async () => {
  const { url, smtpUrl } = await startTestSimulator()
  await put(`${url}/mailbox/behaviour`, { errorRate: 1 })
  await expect(send(smtpUrl)).rejects.toMatchObject({ responseCode: 451 })
  expect(await mailbox(url)).toEqual([])
})

test('a mail server that dedupes keeps a mail once', async () => {
  const { url, smtpUrl } = await startTestSimulator()
  await put(`${url}/mailbox/behaviour`, { dedupe: true })
  await send(smtpUrl)
  await send(smtpUrl)
  await send(smtpUrl, { messageId: '<order-2@shop.example.com>' })
  expect(await mailbox(url)).toHaveLength(2)
})

test('a mail server that hangs takes the mail and never replies', async () => {
  const { url, smtpUrl } = await startTestSimulator()
  await put(`${url}/mailbox/behaviour`, { hang: true })
  const transport = createTransport({ url: smtpUrl, socketTimeout: 200 })
  await expect(transport.sendMail(mail)).rejects.toMatchObject({ code: 'ETIMEDOUT' })
  expect(await mailbox(url)).toEqual([])
})

test('the reply to a mail takes the latency divided by the speed', async () => {
  const { url, smtpUrl } = await startTestSimulator()
  await put(`${url}/mailbox/behaviour`, { latencyMs: 1_000_000 })
  const startedAt = performance.now()
  await send(smtpUrl)
  // At least: a busy machine adds what it likes. One millisecond for the rounding of timers.
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(99)
})

test('a field of HTTP is refused for the mail server', async () => {
  const { url } = await startTestSimulator()
  const answer = await put(`${url}/mailbox/behaviour`, { retryAfterSeconds: 3 })
  expect(answer.status).toBe(422)
})

function send(smtpUrl: string, changes: object = {}) {
  return createTransport(smtpUrl).sendMail({ ...mail, ...changes })
}

function mailbox(url: string): Promise<ReceivedMail[]> {
  return getJson<ReceivedMail[]>(`${url}/mailbox`)
}
