import { expect, test } from 'vitest'

import { watchAnswers } from '#base/watch-answers.ts'

test('after an outage, or a freeze of our own, it is steady again only for as long as it answers', () => {
  let now = 0
  const database = watchAnswers(3_000, () => now)
  const answerAt = (ms: number) => {
    now = ms
    database.answered()
  }
  for (const ms of [1_000, 2_000, 3_000, 4_000, 5_000, 6_000]) answerAt(ms)
  expect(database.steadyMs()).toBe(6_000)
  now = 9_500
  expect(database.steadyMs()).toBe(0)
  answerAt(20_000)
  expect(database.steadyMs()).toBe(0)
  answerAt(21_000)
  expect(database.steadyMs()).toBe(1_000)
})
