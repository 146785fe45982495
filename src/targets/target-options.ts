import { Type, type Static } from 'typebox'

import { targetDefaults, type TargetOptions } from './target.ts'

/** The options every kind of target takes, as the configuration file spells them. All optional. */
export const commonOptions = {
  after: Type.Optional(
    Type.Array(Type.String(), {
      description: 'Targets that have to be told of the same message first.',
    }),
  ),
  timeoutSeconds: Type.Optional(
    Type.Number({ minimum: 0.1, maximum: 3_600, description: 'Seconds for one whole call.' }),
  ),
  concurrency: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1_000, description: 'Calls at a time in each worker.' }),
  ),
  idempotent: Type.Optional(
    Type.Boolean({ description: 'Whether a call may be repeated when its answer is unknown.' }),
  ),
  retry: Type.Optional(
    Type.Object(
      {
        attempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
        delaySeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400 })),
        maxDelaySeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400 })),
      },
      { additionalProperties: false },
    ),
  ),
}

const CommonOptions = Type.Object(commonOptions)
type CommonOptions = Static<typeof CommonOptions>

/** What the configuration file left out, from `targetDefaults`. */
export function fillTargetOptions(options: CommonOptions): TargetOptions {
  return {
    after: options.after ?? targetDefaults.after,
    timeoutSeconds: options.timeoutSeconds ?? targetDefaults.timeoutSeconds,
    concurrency: options.concurrency ?? targetDefaults.concurrency,
    rate: targetDefaults.rate,
    circuit: targetDefaults.circuit,
    priority: targetDefaults.priority,
    idempotent: options.idempotent ?? targetDefaults.idempotent,
    retry: { ...targetDefaults.retry, ...options.retry },
  }
}
