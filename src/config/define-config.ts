import type { MessageKind } from '#messages/message-kinds.ts'
import type { PaymentDefinition } from '#targets/payment/payment-gateway.ts'
import type { EnvironmentReference, TargetDefinition } from '#targets/target-kind.ts'

import type { IntakeOptions } from './check-intake.ts'
import type { MessageDefinition } from './check-messages.ts'
import type { RetentionOptions } from './check-retention.ts'

/** A configuration file: the targets, and which of them are told of which kind of message. */
export type ConfigDefinition<Name extends string = string, Own extends string = never> = {
  targets: Readonly<Record<Name, TargetDefinition>>
  /** Kinds of message of your own, with the schema of each one's payload; those named `order.…` or `report.…` are ours. */
  messages?: Readonly<Record<Own, MessageDefinition>>
  routes: { readonly [Kind in MessageKind | NoInfer<Own>]?: readonly NoInfer<Name>[] }
  /** Charges orders that come with a `payment.token`, while the buyer waits. */
  payment?: PaymentDefinition
  retention?: RetentionOptions
  /** From how large a backlog on `POST /orders`, `POST /messages` and `POST /reports` answer 429. */
  intake?: IntakeOptions
  /** Where alerts are told; nowhere when it is left out. */
  alerts?: AlertsDefinition
}

export type AlertsDefinition = {
  /** Gets a POST of JSON with a `text` that Slack, Mattermost and their like show. Empty: nobody is told. */
  url: string | EnvironmentReference
}

/** Gives a configuration file its types; it is checked when a command starts. */
export function defineConfig<Name extends string, Own extends string = never>(
  definition: ConfigDefinition<Name, Own>,
): ConfigDefinition<Name, Own> {
  return definition
}
