type Mistake = { keyword: string; instancePath: string; schemaPath: string; params: object }

/**
 * Of several mistakes that one schema finds in one value, the one that says the others: what is no text has no format,
 * and what is no UUID need not hear of its pattern as well. Others stay, in their order.
 */
export function dropImplied<T extends Mistake>(mistakes: readonly T[]): T[] {
  const found = Map.groupBy(mistakes, whereOf)
  return mistakes.filter((mistake) => {
    const others = new Set(found.get(whereOf(mistake))?.map(({ keyword }) => keyword))
    return !impliedBy(mistake).some((keyword) => others.has(keyword))
  })
}

/** TypeBox's path is the schema's, Ajv's the rule's in it. */
function whereOf({ keyword, instancePath, schemaPath }: Mistake): string {
  const end = `/${keyword}`
  const schema = schemaPath.endsWith(end) ? schemaPath.slice(0, -end.length) : schemaPath
  return JSON.stringify([instancePath, schema])
}

function impliedBy({ keyword, params }: Mistake): readonly string[] {
  switch (keyword) {
    case 'type':
    case 'required':
    case 'additionalProperties':
      return []
    case 'const':
    case 'enum':
      return ['type']
    case 'format':
      return ['type', 'const', 'enum']
    case 'pattern':
      return ['type', 'const', 'enum', 'format']
    case 'minLength': // What is empty has no form.
      return 'limit' in params && params.limit === 1
        ? ['type', 'const', 'enum', 'format', 'pattern']
        : ['type', 'const', 'enum']
    default:
      return ['type', 'const', 'enum']
  }
}
