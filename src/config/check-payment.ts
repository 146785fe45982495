import type { MessageKind } from '#messages/message-kinds.ts'
import type {
  PaymentDefinition,
  PaymentGateway,
  PaymentOptions,
} from '#targets/payment/payment-gateway.ts'
import { paymentKinds } from '#targets/payment/payment-kinds.ts'
import { paymentRoutes, paymentTargetName } from '#targets/payment/payment-target.ts'
import type { Mistake } from '#targets/target-kind.ts'
import type { Target } from '#targets/target.ts'

import { fillInEnvironment, type Environment } from './fill-in-environment.ts'
import { findSchemaMistakes } from './find-schema-mistakes.ts'
import { isMissing } from './is-missing.ts'

export type CheckedPayment = {
  /** Of the target `payment`: what it waits for. Absent: there is nothing to tell it. */
  after?: readonly string[]
  /** What it is told of, without being named in a route. */
  kinds: readonly MessageKind[]
  mistakes: Mistake[]
  /** Those of the mistakes that are variables which are not set. */
  missing: Mistake[]
  /** Only called when there are no mistakes. */
  create: () => { gateway: PaymentGateway; target: Target } | null
}

/** What is wrong with `payment`, and the gateway with its variables filled in. */
export function checkPayment(
  definition: unknown,
  environment: Environment,
  targetNames: readonly string[],
): CheckedPayment {
  if (definition === undefined) return { kinds: [], mistakes: [], missing: [], create: () => null }
  if (!isDefinition(definition)) return wrong(sayNoGateway)
  const kind = paymentKinds[definition.paymentKind]
  const { filled, missing } = fillInEnvironment(definition.options, environment)
  const fromSchema = findSchemaMistakes(`${definition.paymentKind}Payment`, kind.schema, filled)
  const readable = fromSchema.every(
    ({ path, unknownOption }) => unknownOption || isMissing(missing, path),
  )
  const found = readable ? kind.findMistakes(filled) : []
  const rest = [...fromSchema, ...found].filter(({ path }) => !isMissing(missing, path))
  const options = (readable ? filled : {}) as PaymentOptions
  const kinds = paymentRoutes(options)
  const taken = kinds.length > 0 && targetNames.includes(paymentTargetName)
  return {
    kinds,
    ...(kinds.length > 0 ? { after: options.captureAfter ?? [] } : {}),
    mistakes: [...[...missing, ...rest].map(placed), ...(taken ? [nameTaken] : [])],
    missing: missing.map(placed),
    create: () => kind.create(filled),
  }
}

const sayNoGateway = 'must be what httpPayment() or customPayment() returns'

const nameTaken = {
  path: `targets.${paymentTargetName}`,
  message: 'is what the payment gateway makes of itself: give your target another name',
}

function isDefinition(definition: unknown): definition is PaymentDefinition {
  return (
    typeof definition === 'object' &&
    definition !== null &&
    'paymentKind' in definition &&
    typeof definition.paymentKind === 'string' &&
    Object.hasOwn(paymentKinds, definition.paymentKind)
  )
}

function placed({ path, message }: Mistake): Mistake {
  return { path: path === '' ? 'payment' : `payment.${path}`, message }
}

function wrong(message: string): CheckedPayment {
  const mistakes = [{ path: 'payment', message }]
  return { kinds: [], mistakes, missing: [], create: () => null }
}
