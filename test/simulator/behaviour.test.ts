import { expect, test } from 'vitest'

import { usualLatenciesMs } from '#simulator/behaviour.ts'

import { getJson, put, startTestSimulator } from './start-test-simulator.ts'

test('a checkout that calls every target of the demo itself would take 12 s after the payment, and 8 s more for the ERP', () => {
  const sum = Object.values(usualLatenciesMs).reduce((total, ms) => total + ms, 0)
  expect([sum, usualLatenciesMs.erp]).toEqual([20_000, 8_000])
})

test('a change names only what it changes, and DELETE goes back to the usual', async () => {
  const { url } = await startTestSimulator()
  const usual = await getJson(`${url}/erp/behaviour`)
  expect(usual).toMatchObject({ latencyMs: 8_000, outage: false, status: null })

  const changed = await put(`${url}/erp/behaviour`, { outage: true })
  expect(await changed.json()).toEqual({
    changed: 'erp: outage is true (was false)',
    ...Object(usual),
    outage: true,
  })
  expect(await getJson(`${url}/erp/behaviour`)).toMatchObject({ latencyMs: 8_000, outage: true })

  await fetch(`${url}/erp/behaviour`, { method: 'DELETE' })
  expect(await getJson(`${url}/erp/behaviour`)).toEqual(usual)
})

test('an answer about a behaviour begins with what changed, and ends its line', async () => {
  const { url } = await startTestSimulator()
  const change = { outage: true, latencyMs: 8_000 }

  const put = await fetch(`${url}/erp/behaviour`, { method: 'PUT', body: JSON.stringify(change) })
  const usual = await fetch(`${url}/mailbox/behaviour`, { method: 'DELETE' })
  const refused = await fetch(`${url}/erp/behaviour`, { method: 'PUT', body: '{"outage": 1}' })

  expect(await put.text()).toMatch(
    /^\{"changed":"erp: outage is true \(was false\), latencyMs stays 8000",.*\}\n$/,
  )
  expect(await usual.text()).toMatch(/^\{"changed":"mailbox: back to the usual",.*\}\n$/)
  expect(await refused.text()).toMatch(/\n$/)
})

test('a name close to a usual target’s is accepted, with a hint until it is called', async () => {
  const { url } = await startTestSimulator()
  const hint = 'epr was never called so far; did you mean erp?'
  expect(await (await put(`${url}/epr/behaviour`, { outage: true })).json()).toMatchObject({ hint })
  expect(await getJson(`${url}/epr/behaviour`)).toMatchObject({ hint, outage: true })
  for (const name of ['erp', 'analytics', 'loyalty'])
    expect(await getJson(`${url}/${name}/behaviour`)).not.toHaveProperty('hint')

  await fetch(`${url}/epr/orders`)

  expect(await getJson(`${url}/epr/behaviour`)).not.toHaveProperty('hint')
})

test('the behaviour of the confirmation email is that of the mail server', async () => {
  const { url } = await startTestSimulator()
  await put(`${url}/confirmation-email/behaviour`, { outage: true })
  expect(await getJson(`${url}/mailbox/behaviour`)).toMatchObject({ outage: true })
})

test.for([
  [{ latency: 5 }, 'There is no "latency": it takes latencyMs, jitterMs, errorRate'],
  [{ toString: 1 }, 'There is no "toString"'],
  [
    { latencyMs: '5' },
    'latencyMs must be a whole number of milliseconds from 0 to 3600000, not "5"',
  ],
  [{ latencyMs: -1 }, 'latencyMs must be'],
  [{ jitterMs: 1.5 }, 'jitterMs must be'],
  [{ errorRate: 1.1 }, 'errorRate must be a number from 0 (never) to 1 (always), not 1.1'],
  [{ status: 100 }, 'status must be an HTTP status from 200 to 599, or null'],
  [{ retryAfterSeconds: true }, 'retryAfterSeconds must be'],
  [{ outage: 'yes' }, 'outage must be true or false, not "yes"'],
  [{ hang: 1 }, 'hang must be true or false, not 1'],
  [{ dedupe: null }, 'dedupe must be true or false, not null'],
  [[], 'Send a JSON object'],
  ['down', 'Send a JSON object'],
] as const)('a behaviour of %j is refused with a sentence', async ([change, sentence]) => {
  const { url } = await startTestSimulator()
  const before = await getJson(`${url}/erp/behaviour`)
  const answer = await put(`${url}/erp/behaviour`, change)
  expect(answer.status).toBe(422)
  expect(answer.headers.get('content-type')).toContain('application/problem+json')
  const { detail } = (await answer.json()) as { detail: string }
  expect(detail).toContain(sentence)
  expect(await getJson(`${url}/erp/behaviour`)).toEqual(before)
})

test('every mistake of a change is named at once', async () => {
  const { url } = await startTestSimulator()
  const answer = await put(`${url}/erp/behaviour`, { hang: 1, slow: true })
  expect(((await answer.json()) as { detail: string }).detail).toMatch(/hang must be.*"slow"/)
})

test('a behaviour that is not JSON is answered 400, a method that does not fit 405', async () => {
  const { url } = await startTestSimulator()
  const broken = await fetch(`${url}/erp/behaviour`, { method: 'PUT', body: '{latencyMs: 5}' })
  expect(broken.status).toBe(400)
  const patch = await fetch(`${url}/erp/behaviour`, { method: 'PATCH', body: '{}' })
  expect([patch.status, patch.headers.get('allow')]).toEqual([405, 'GET, PUT, DELETE'])
  expect(await getJson(`${url}/erp/calls`)).toEqual([])
})

test('the front page has lines to paste, and what is no target is answered 404', async () => {
  const { url } = await startTestSimulator()
  const page = await (await fetch(url)).text()
  expect(page).toContain(`curl -X PUT ${url}/erp/behaviour -d '{"outage": true}'`)
  for (const path of ['/favicon.ico', '/Erp/orders', '//', '/mailbox/calls', '/%00/x']) {
    expect([path, (await fetch(`${url}${path}`)).status]).toEqual([path, 404])
  }
})
