import { parseArgs } from 'node:util'

import type { Environment } from '#base/environment.ts'
import { OrderwheelError } from '#base/errors.ts'
import { suggestName } from '#base/suggest-name.ts'

/** A command of `orderwheel`, ready to be run with the arguments after its name. */
export type Command = {
  name: string
  /** A sentence for the list of commands. */
  summary: string
  help: string
  /** The help of one of its actions, when these arguments name one. */
  helpOf?(args: string[]): string | undefined
  /** Answers the exit code. Throws `usage` for arguments it does not take. */
  run(args: string[], context: Context): Promise<number>
}

export type Context = {
  environment: Environment
  /** A line for the person, on standard output. */
  print: (line: string) => void
  /** A line for the person, on standard error: why it failed, or how far it has come. */
  warn: (line: string) => void
}

export type Option = {
  type: 'string' | 'boolean'
  multiple?: boolean
  default?: string
  /** Shown for the value: `seconds` in `--max-seconds <seconds>`. */
  value?: string
  summary: string
}

type Definition<Options extends Record<string, Option>> = {
  name: string
  summary: string
  /** What follows the name, for example `<id or externalId> [--json]`. */
  usage: string
  /** Arguments without dashes: how many there may be, and what to say when there are fewer. Default none. */
  positionals?: { least: number; most: number; missing: string }
  options: Options
  run(given: Given<Options>, context: Context): Promise<number>
}

type Given<Options extends Record<string, Option>> = {
  values: { [Name in keyof Options]?: Value<Options[Name]> }
  positionals: string[]
}

type Value<O extends Option> = O['type'] extends 'boolean'
  ? boolean
  : O extends { multiple: true }
    ? string[]
    : string

/** Gives a command its types, its help and its refusal of arguments it does not know. */
export function defineCommand<const Options extends Record<string, Option>>(
  definition: Definition<Options>,
): Command {
  return {
    name: definition.name,
    summary: definition.summary,
    help: describe(definition),
    run: (args, context) => definition.run(parse(definition, args), context),
  }
}

const none = { least: 0, most: 0, missing: '' }

function parse<Options extends Record<string, Option>>(
  { name, options, positionals: allowed = none }: Definition<Options>,
  args: string[],
): Given<Options> {
  const given = parseOptions(name, options, args)
  const count = given.positionals.length
  if (count > allowed.most)
    throw usageError(name, `"${given.positionals[allowed.most]}" is one argument too many`)
  if (count < allowed.least) throw usageError(name, allowed.missing)
  return given
}

function parseOptions<Options extends Record<string, Option>>(
  name: string,
  options: Options,
  args: string[],
): Given<Options> {
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
    return { values, positionals }
  } catch (error) {
    throw usageError(name, explain(error, args, options))
  }
}

function explain(error: unknown, args: string[], options: Record<string, Option>): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return explainUnknown(args, Object.keys(options))
  const wrong = code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE' && explainValue(args, options)
  if (wrong) return wrong
  return error instanceof Error ? error.message.replace(/\.$/, '') : String(error)
}

function explainUnknown(args: string[], options: string[]): string {
  const unknown = args.find((arg) => {
    const name = /^--?([^=]+)/.exec(arg)?.[1]
    return name !== undefined && !options.includes(name)
  })
  const written = unknown?.replace(/^-+|=.*$/g, '') ?? ''
  return `it takes no option ${unknown}${suggestName(written, options).replace('mean ', 'mean --')}`
}

/** The first option without the value it needs, or with one that it does not take. */
function explainValue(args: string[], options: Record<string, Option>): string | undefined {
  for (const [index, arg] of args.entries()) {
    const [, name = '', value] = /^--([^=]+)(=.*)?$/.exec(arg) ?? []
    const option = Object.hasOwn(options, name) ? options[name] : undefined
    if (option?.type === 'boolean' && value !== undefined) return `--${name} takes no value`
    const next = args[index + 1]
    if (option?.type !== 'string' || value !== undefined || !(next?.startsWith('-') ?? true))
      continue
    const needs = `--${name} needs a value, <${option.value ?? 'value'}>`
    return next === undefined || next.startsWith('--')
      ? needs
      : `${needs}: one that begins with a dash is written --${name}=${next}`
  }
  return undefined
}

/** The command line is wrong: what, and where to read more. */
export function usageError(name: string, what: string): OrderwheelError {
  const end = what.endsWith('?') ? '' : '.'
  return new OrderwheelError(
    'usage',
    `orderwheel ${name}: ${what}${end} See orderwheel ${name} --help`,
  )
}

function describe({ name, summary, usage, options }: Definition<Record<string, Option>>): string {
  const rows = Object.entries(options).map(([option, { value, type, summary }]) => [
    `--${option}${type === 'string' ? ` <${value ?? 'value'}>` : ''}`,
    summary,
  ])
  const lines = [...rows, ['--help', 'This text']].map(
    ([left = '', right]) => `  ${left.padEnd(24)} ${right}`,
  )
  return [
    summary,
    '',
    `Usage: orderwheel ${name} ${usage}`.trimEnd(),
    '',
    'Options:',
    ...lines,
  ].join('\n')
}
