import { afterEach, beforeEach, expect, test } from 'vitest'

import { readLetter } from '#dead-letters/read-letter.ts'
import { giveUp, tryAgain, type Outcome } from '#targets/outcome.ts'

import { openTestShop, testTarget, type TestShop } from '../support/test-shop.ts'

let shop: TestShop
let answers: Outcome[]
beforeEach(async () => {
  answers = []
  shop = await openTestShop([
    testTarget('erp', { call: async () => answers.shift() ?? { kind: 'delivered' } }),
  ])
})
afterEach(() => shop.close())

async function bury(): Promise<string> {
  await shop.placeOrder()
  await shop.relay()
  const worker = shop.startWorker()
  await worker.drained(AbortSignal.timeout(20_000))
  await shop.letTimePass()
  await worker.drained(AbortSignal.timeout(20_000))
  const { id } = await shop.db
    .selectFrom('orderwheel.dead_letters')
    .select('id')
    .executeTakeFirstOrThrow()
  return id
}

test('a letter tells every attempt with status, headers and answer', async () => {
  const answer = {
    status: 422,
    text: '{"code":"UNKNOWN_SKU"}',
    headers: { 'x-request-id': 'r-7' },
    code: 'UNKNOWN_SKU',
  }
  answers = [
    tryAgain('answered 503', { answer: { status: 503, text: 'later' } }),
    giveUp('answered 422', answer),
  ]
  const letter = await readLetter(shop.db, await bury())
  expect(letter).toMatchObject({
    target: 'erp',
    externalId: expect.stringMatching(/^WEB-/),
    message: { kind: 'order.placed' },
    reason: 'answered 422',
    status: 422,
    code: 'UNKNOWN_SKU',
    groupId: expect.stringMatching(/^[0-9a-f]{12}$/),
    attemptCount: 2,
    closed: null,
    held: null,
    delivery: { state: 'dead', isEdited: false, isEditDue: false },
    replays: [],
    others: [],
  })
  expect(letter?.attempts).toEqual([
    {
      number: 1,
      startedAt: expect.any(Date),
      durationMs: expect.any(Number),
      outcome: 'try-again',
      reason: 'answered 503',
      answer: { status: 503, text: 'later' },
      worker: expect.any(String),
      charged: true,
    },
    expect.objectContaining({ number: 2, outcome: 'give-up', answer }),
  ])
})

test('a letter tells who closed it and why, the replays it was in, and its delivery’s other letters', async () => {
  answers = [giveUp('no')]
  const id = await bury()
  const { rows } = await shop.pool.query<{ id: string }>(
    `insert into orderwheel.replays (filter, requested_by, reason) values ('{}', 'ada', 'mended') returning id`,
  )
  const replayId = rows[0]?.id
  await shop.pool.query(
    `insert into orderwheel.replay_items (replay_id, position, letter_id, state, worked_off_at)
     values ($1, 1, $2, 'done', now())`,
    [replayId, id],
  )
  await shop.pool.query(
    `update orderwheel.dead_letters
        set resolution = 'replayed', resolved_at = now(), resolved_by = 'ada', comment = 'mended', replay_id = $1
      where id = $2`,
    [replayId, id],
  )
  await shop.pool.query(
    `insert into orderwheel.dead_letters (message_id, target, order_id, reason, attempts)
     select message_id, target, order_id, 'again', '[]' from orderwheel.dead_letters`,
  )
  expect(await readLetter(shop.db, id)).toMatchObject({
    closed: { resolution: 'replayed', at: expect.any(Date), by: 'ada', reason: 'mended', replayId },
    replays: [{ id: replayId, requestedBy: 'ada', reason: 'mended', item: { state: 'done' } }],
    others: [{ resolution: null }],
  })
})

test('there is no letter of an unknown id', async () => {
  expect(await readLetter(shop.db, '0199c7b2-7a55-7b0a-8a3e-3f1c5ce0b7f4')).toBeUndefined()
})
