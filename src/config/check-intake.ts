import { Type, type Static } from 'typebox'

import { intakeDefaults, type IntakeLimits } from '#messages/intake-limits.ts'
import type { Mistake } from '#targets/target-kind.ts'

import { findSchemaMistakes } from './find-schema-mistakes.ts'

const IntakeSchema = Type.Object(
  {
    maxWaiting: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000_000 })),
    maxAgeSeconds: Type.Optional(
      Type.Union([Type.Integer({ minimum: 1, maximum: 31_536_000 }), Type.Null()]),
    ),
  },
  { additionalProperties: false },
)

/** From how large a backlog on orders, messages and requests for reports are answered 429. What is left out has its default. */
export type IntakeOptions = Static<typeof IntakeSchema>

export function fillIntake(written: unknown): IntakeLimits {
  return { ...intakeDefaults, ...(written as IntakeOptions | undefined) }
}

export function findIntakeMistakes(written: unknown): Mistake[] {
  if (written === undefined) return []
  return findSchemaMistakes('intake', IntakeSchema, written).map(({ path, message }) => ({
    path: path === '' ? 'intake' : `intake.${path}`,
    message: message.replace('an option of intake()', 'a setting of intake'),
  }))
}
