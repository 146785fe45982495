import type { Value } from 'typebox/value'

export type SchemaError = ReturnType<typeof Value.Errors>[number]

/**
 * TypeBox lists what every branch of a choice (`anyOf`) dislikes, and the choice itself. When the value is
 * of the type of one branch, as an object is where text or an object may stand, what that branch dislikes
 * is kept; when it is of none, only the choice is.
 */
export function settleChoices(errors: readonly SchemaError[]): SchemaError[] {
  let kept = [...errors]
  const outermostFirst = errors
    .filter(({ keyword }) => keyword === 'anyOf')
    .sort((one, other) => one.schemaPath.length - other.schemaPath.length)
  for (const choice of outermostFirst) {
    if (!kept.includes(choice)) continue
    const branches = Map.groupBy(kept, (error) => branchOf(choice, error))
    const fitting = [...branches].find(
      ([branch, found]) =>
        branch !== undefined && !found.some((error) => isOfOtherType(choice, error)),
    )
    kept = kept.filter((error) => {
      const branch = branchOf(choice, error)
      return branch === undefined ? !fitting || error !== choice : branch === fitting?.[0]
    })
  }
  return kept
}

/** The number of the branch of `choice` that `error` is about. */
function branchOf(choice: SchemaError, error: SchemaError): string | undefined {
  const inside = `${error.instancePath}/`.startsWith(`${choice.instancePath}/`)
  const prefix = `${choice.schemaPath}/anyOf/`
  if (!inside || !error.schemaPath.startsWith(prefix)) return undefined
  return error.schemaPath.slice(prefix.length).split('/')[0]
}

/** `false` where an object may stand is a type of its own. */
function isOfOtherType(choice: SchemaError, error: SchemaError): boolean {
  const aboutType = error.keyword === 'type' || error.keyword === 'const'
  return aboutType && error.instancePath === choice.instancePath
}
