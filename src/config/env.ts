import type { EnvironmentReference } from '#targets/target-kind.ts'

/**
 * A string the environment gives, read when the configuration is checked: so that one missing
 * variable is reported together with all others, and `orderwheel check` can list them.
 * A variable that is set to nothing counts as missing.
 */
export function env(
  variable: string,
  options: {
    /** Taken when the variable is missing. */
    default?: string
    /** Said where variables are listed. */
    description?: string
    /** What is done with the value: `(token) => `Bearer ${token}``. */
    format?: (value: string) => string
  } = {},
): EnvironmentReference {
  return Object.defineProperty({ environmentVariable: variable, ...options }, 'toString', {
    value: () => {
      throw new TypeError(
        `env('${variable}') stands for a value that is not known yet: instead of putting it into a string, ` +
          `write env('${variable}', { format: (value) => … })`,
      )
    },
  })
}

export function isEnvironmentReference(value: unknown): value is EnvironmentReference {
  return typeof value === 'object' && value !== null && 'environmentVariable' in value
}
