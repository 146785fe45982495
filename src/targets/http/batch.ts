import { Type, type Static } from 'typebox'

import { tryAgain } from '#targets/outcome.ts'
import {
  kindOfTarget,
  type FromEnvironment,
  type TargetDefinition,
  type Told,
} from '#targets/target-kind.ts'
import { commonOptions, fillTargetOptions } from '#targets/target-options.ts'
import { circuitDefaults, type TargetOptions } from '#targets/target.ts'

import { collectBatches } from './collect-batches.ts'
import { readBody } from './edit-request.ts'
import { findUrlMistakes } from './find-url-mistakes.ts'
import { openAgent } from './open-agent.ts'
import { originOf } from './origin-of.ts'
import { sendRequest } from './send-request.ts'
import { mapBatch, tellBatch, type JudgeBatch } from './tell-batch.ts'
import { writeRequest } from './write-request.ts'

const methods = ['POST', 'PUT', 'PATCH'] as const
type Method = (typeof methods)[number]

const BatchOptions = Type.Object(
  {
    url: Type.String({ description: 'Where the requests go. Credentials in it become Basic.' }),
    method: Type.Optional(Type.Unsafe<Method>({ enum: methods })),
    headers: Type.Optional(Type.Record(Type.String(), Type.String())),
    body: Type.Optional(
      Type.Unsafe<(batch: readonly Told[]) => unknown>({
        type: 'function',
        description:
          'What is sent for these deliveries. Left out: {messages: [{idempotencyKey, message, order}]}.',
      }),
    ),
    answer: Type.Optional(
      Type.Unsafe<JudgeBatch>({
        type: 'function',
        description:
          'Says what an answer means: one outcome for all, or a list of one for each; undefined leaves it to ' +
          'the status.',
      }),
    ),
    size: Type.Optional(
      Type.Integer({
        minimum: 2,
        maximum: 500,
        description: 'Deliveries in one request, at most.',
      }),
    ),
    waitSeconds: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 10,
        description: 'Seconds that the first delivery of a request waits for others.',
      }),
    ),
    ...commonOptions,
  },
  { additionalProperties: false },
)

type Options = Static<typeof BatchOptions>

export type BatchOptions = FromEnvironment<Options>

const defaultSize = 100
const defaultWaitSeconds = 0.2

/**
 * A target told of many deliveries by one HTTP request; answers mean what they mean for `http`. A request that is
 * refused for its content (400, 413, 422) is made again in halves, down to one delivery: only what is wrong is given
 * up. The `Idempotency-Key` is that of these deliveries together. One that is told again is so with others: the
 * receiver has to know each by its own `idempotencyKey`.
 */
export function batch(options: BatchOptions): TargetDefinition {
  return { kind: 'batch', options }
}

export const batchKind = kindOfTarget({
  schema: BatchOptions,
  findMistakes: ({ url, concurrency, size = defaultSize }) => [
    ...findUrlMistakes('url', url),
    ...(concurrency !== undefined && concurrency < size
      ? [{ path: 'concurrency', message: `counts deliveries, must be at least size: ${size}` }]
      : []),
  ],
  create(name, options) {
    const { size = defaultSize, waitSeconds = defaultWaitSeconds } = options
    const target = fillBatchOptions(options, size)
    const agent = openAgent(target)
    const tell = tellBatch(name, options, (request, signal) => sendRequest(agent, request, signal))
    const collect = collectBatches({ size, waitSeconds }, tell)
    return {
      ...target,
      name,
      kind: 'batch',
      async call(call) {
        // What an operator wrote is the whole request.
        if (call.edited === undefined || call.edited === null) return collect(call)
        const [outcome] = await tell([call], call.signal)
        return outcome ?? tryAgain('not answered for')
      },
      address: originOf(options.url),
      editing: {
        write: async (told, edited) =>
          writeRequest(name, () => mapBatch(name, options, { batch: [told], edited })),
        read: readBody,
      },
      close: () => agent.destroy(),
    }
  },
})

// One request that fails is many deliveries that do.
function fillBatchOptions(options: Options, size: number): TargetOptions {
  const { failuresInARow, minimumCalls } = circuitDefaults
  const circuit = options.circuit !== false && {
    failuresInARow: Math.min(1_000, failuresInARow * size),
    minimumCalls: Math.min(10_000, minimumCalls * size),
    ...options.circuit,
  }
  return fillTargetOptions({ concurrency: 2 * size, ...options, circuit })
}
