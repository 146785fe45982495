import { type Static, Type } from 'typebox'

import type { Mistake } from '#targets/target-kind.ts'

import { findSchemaMistakes } from './find-schema-mistakes.ts'

const days = { minimum: 1, maximum: 36_500 }

const RetentionSchema = Type.Object(
  {
    ordersDays: Type.Optional(Type.Union([Type.Integer(days), Type.Null()])),
    historyMonths: Type.Optional(
      Type.Union([Type.Integer({ minimum: 1, maximum: 1_200 }), Type.Null()]),
    ),
    auditDays: Type.Optional(Type.Union([Type.Integer(days), Type.Null()])),
    replaysDays: Type.Optional(Type.Union([Type.Integer(days), Type.Null()])),
    changesDays: Type.Optional(Type.Union([Type.Integer(days), Type.Null()])),
    // Never for good: a file of all orders is made anew in minutes, and only grows stale.
    reportsDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 366 })),
  },
  { additionalProperties: false },
)

/** For how long what grows is kept; null: for good. What is left out has its default. */
export type RetentionOptions = Static<typeof RetentionSchema>

/** What people would miss is kept until somebody decides otherwise. */
const defaults = {
  ordersDays: null,
  historyMonths: null,
  auditDays: null,
  replaysDays: 90,
  changesDays: 90,
  reportsDays: 7,
}

type Retention = { [Name in keyof typeof defaults]: number | null } & { reportsDays: number }

export function fillRetention(written: unknown): Retention {
  return { ...defaults, ...(written as RetentionOptions | undefined) }
}

export function findRetentionMistakes(written: unknown): Mistake[] {
  if (written === undefined) return []
  return findSchemaMistakes('retention', RetentionSchema, written).map(({ path, message }) => ({
    path: path === '' ? 'retention' : `retention.${path}`,
    message: message.replace('an option of retention()', 'a retention'),
  }))
}
