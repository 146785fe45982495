/** Whether it looks like what a program calls an error, and not like a sentence or the id of one request. */
export function isErrorCode(value: unknown): value is string {
  return typeof value === 'string' && codePattern.test(value) && !idPattern.test(value)
}

const codePattern = /^[A-Za-z0-9_.:-]{1,64}$/
const idPattern = /[\da-f]{8}-[\da-f]{4}-|\d{9}|[\da-f]{20}/i

/**
 * The code of the error in an answer that is JSON; undefined when there is none. One that only repeats the status
 * says nothing. The shapes: problem details (RFC 9457), JSON:API, GraphQL, JSON-RPC, OAuth, and those of the systems
 * named below.
 */
export function findErrorCode(text: string, status?: number): string | undefined {
  const body = parse(text)
  return placesOf(Array.isArray(body) ? body[0] : body)
    .map((place) => (Number.isInteger(place) ? String(place) : place))
    .find((code): code is string => isErrorCode(code) && code !== String(status))
}

function parse(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Where a code may be, the most telling first. */
function placesOf(body: unknown): unknown[] {
  const error = member(body, 'error')
  const first = firstOf(member(body, 'errors'))
  return [
    // NetSuite
    member(firstOf(member(body, 'o:errorDetails')), 'o:errorCode'),
    // Odoo: the code beside it is 200 for everything
    member(member(error, 'data'), 'name'),
    ...ownCodes(body),
    ...ownCodes(error),
    // Google: the code beside it is the HTTP status
    member(error, 'status'),
    error,
    ...ownCodes(first),
    member(member(first, 'extensions'), 'code'),
    // ERPNext
    member(body, 'exc_type'),
    // Resend
    member(body, 'statusCode') === undefined ? undefined : member(body, 'name'),
    member(error, 'type'),
    lastSegment(member(body, '__type')),
    lastSegment(member(body, 'type')),
  ]
}

/** Business Central and SAP say `code`, Salesforce `errorCode`, Postmark `ErrorCode`. */
function ownCodes(of: unknown): unknown[] {
  return ['code', 'errorCode', 'error_code', 'ErrorCode'].map((name) => member(of, name))
}

/** Of a problem's type, `https://erp.example/problems/unknown-sku`. One that is a section of HTTP is the status. */
function lastSegment(type: unknown): unknown {
  if (typeof type !== 'string' || type === 'about:blank' || /\brfc\d/.test(type)) return undefined
  return type.split(/[/#:]/).findLast((segment) => segment !== '')
}

function firstOf(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : undefined
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return (value as Record<string, unknown>)[name]
}
