import { Type, type Static } from 'typebox'

import { circuitDefaults, droppableDefaults, targetDefaults, type TargetOptions } from './target.ts'

const priorities: TargetOptions['priority'][] = ['high', 'normal', 'low']

const seconds = { minimum: 1, maximum: 3_600 }

const Circuit = Type.Object(
  {
    failuresInARow: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
    failureRate: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1 })),
    minimumCalls: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
    windowSeconds: Type.Optional(Type.Integer(seconds)),
    probeAfterSeconds: Type.Optional(Type.Integer(seconds)),
    maxProbeAfterSeconds: Type.Optional(Type.Integer(seconds)),
  },
  { additionalProperties: false },
)

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
    Type.Integer({
      minimum: 1,
      maximum: 1_000,
      description: 'Calls at a time by all workers together.',
    }),
  ),
  rate: Type.Optional(
    Type.Object(
      {
        max: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
        perSeconds: Type.Number({ minimum: 0.1, maximum: 86_400 }),
      },
      {
        additionalProperties: false,
        description: 'Calls that may begin in any so many seconds, by all workers together.',
      },
    ),
  ),
  circuit: Type.Optional(
    Type.Union([Type.Literal(false), Circuit], {
      description: 'When to stop calling a target that fails, for all workers. False: never.',
    }),
  ),
  priority: Type.Optional(
    Type.Unsafe<TargetOptions['priority']>({
      enum: priorities,
      description: 'Who goes first where a worker cannot serve all.',
    }),
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
  withdrawWhenCancelled: Type.Optional(
    Type.Boolean({
      description:
        'Whether an order that was cancelled before this target was called about it is never told to it.',
    }),
  ),
  droppable: Type.Optional(
    Type.Union(
      [
        Type.Boolean(),
        Type.Object(
          { maxOpen: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })) },
          { additionalProperties: false },
        ),
      ],
      {
        description:
          'Whether further deliveries are shed while too many are open: recorded, countable, replayable, and not told.',
      },
    ),
  ),
  keepLettersDays: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 36_500,
      description: 'Days that a dead letter is kept after somebody closed it.',
    }),
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
    rate: options.rate ?? targetDefaults.rate,
    circuit: options.circuit === false ? null : { ...circuitDefaults, ...options.circuit },
    priority: options.priority ?? targetDefaults.priority,
    idempotent: options.idempotent ?? targetDefaults.idempotent,
    retry: { ...targetDefaults.retry, ...options.retry },
    withdrawWhenCancelled: options.withdrawWhenCancelled ?? targetDefaults.withdrawWhenCancelled,
    droppable: fillDroppable(options.droppable),
    keepLettersDays: options.keepLettersDays ?? targetDefaults.keepLettersDays,
  }
}

function fillDroppable(written: CommonOptions['droppable']): TargetOptions['droppable'] {
  if (written === undefined || written === false) return null
  return written === true ? droppableDefaults : { ...droppableDefaults, ...written }
}
