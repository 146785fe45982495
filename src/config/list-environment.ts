import { findReferences } from './fill-in-environment.ts'

/** An environment variable a configuration names. */
export type EnvironmentVariable = {
  variable: string
  /** Where: `targets.erp.url`. */
  paths: string[]
  /** Undefined: it has to be set. */
  default?: string
  description?: string
}

/** Every variable `definition` names, in its order, each once. */
export function listEnvironment(definition: unknown): EnvironmentVariable[] {
  const variables = new Map<string, EnvironmentVariable>()
  for (const { path, reference } of findReferences(definition)) {
    const { environmentVariable: variable, default: value, description } = reference
    const known = variables.get(variable) ?? { variable, paths: [] }
    known.paths.push(path.replace(/^(targets\.[^.]+)\.options\./, '$1.'))
    if (value !== undefined) known.default = value
    if (description !== undefined) known.description = description
    variables.set(variable, known)
  }
  return [...variables.values()]
}
