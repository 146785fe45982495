import type { Static, TSchema } from 'typebox'

import type { Call, ConfigurableKind, Target } from './target.ts'

/** What `http()`, `email()`, `webhook()`, `receipt()`, `audit()` and `custom()` return: nothing is checked or opened yet. */
export type TargetDefinition = {
  kind: ConfigurableKind
  options: Readonly<Record<string, unknown>>
}

/** One kind of target: how its options are checked, and how it is made of them. */
export type KindOfTarget = {
  /** The options once the environment has been filled in. */
  schema: TSchema
  /** What the schema cannot say. Only called with options the schema accepts. */
  findMistakes(options: unknown, place: Place): Mistake[]
  /** Only called with options that have no mistakes. */
  create(name: string, options: unknown, place: Place): Target
}

export type Mistake = {
  /** Inside the options, with dots: `smtp.port`. */
  path: string
  message: string
}

/** Where the configuration file is: relative paths in it start from there. */
export type Place = { directory: string }

/** A string option may come from the environment: see `env` in `#config/env.ts`. */
export type EnvironmentReference = {
  readonly environmentVariable: string
  readonly default?: string
  readonly description?: string
  readonly format?: (value: string) => string
}

/** `T` with an environment reference allowed wherever it has a string. */
export type FromEnvironment<T> = T extends string
  ? T | EnvironmentReference
  : T extends (...given: never[]) => unknown
    ? T
    : T extends readonly (infer Item)[]
      ? readonly FromEnvironment<Item>[]
      : T extends object
        ? { [Key in keyof T]: FromEnvironment<T[Key]> }
        : T

/** What the functions of a configuration file are given. */
export type Told = Pick<Call, 'order' | 'message' | 'answers' | 'attempt' | 'idempotencyKey'>

/** Ties the schema of a kind to the functions that read its options. */
export function kindOfTarget<T extends TSchema>(kind: {
  schema: T
  findMistakes(options: Static<T>, place: Place): Mistake[]
  create(name: string, options: Static<T>, place: Place): Target
}): KindOfTarget {
  return {
    schema: kind.schema,
    findMistakes: (options, place) => kind.findMistakes(options as Static<T>, place),
    create: (name, options, place) => kind.create(name, options as Static<T>, place),
  }
}

/** What is sent unless the options say otherwise: the message, and the order when it is about one. */
export function messageAndOrder(told: Told): Pick<Told, 'message'> & Partial<Told> {
  const { message } = told
  return message.orderId === null ? { message } : { message, order: told.order }
}

/** Leaves the order unread: see Call. */
export function toldOf(call: Told): Told {
  const { message, answers, attempt, idempotencyKey } = call
  return {
    get order() {
      return call.order
    },
    message,
    answers,
    attempt,
    idempotencyKey,
  }
}
