export type EncodedBody = { bytes: string | Uint8Array | null; contentType?: string }

/**
 * Null sends no body; a string or bytes go as they are, URLSearchParams as a form; everything else as JSON.
 * Throws when that is impossible: undefined, a function, a circle, a bigint.
 */
export function encodeBody(body: unknown): EncodedBody {
  if (body === null) return { bytes: null }
  if (typeof body === 'string') return { bytes: body, contentType: 'text/plain; charset=utf-8' }
  if (body instanceof Uint8Array) return { bytes: body, contentType: 'application/octet-stream' }
  // Its own toString is what a form is on the wire; fetch sends the same content type.
  if (body instanceof URLSearchParams) {
    return {
      bytes: body.toString(),
      contentType: 'application/x-www-form-urlencoded;charset=UTF-8',
    }
  }
  const json: unknown = JSON.stringify(body)
  if (typeof json !== 'string') throw new TypeError(`${typeof body} cannot be sent`)
  return { bytes: json, contentType: 'application/json' }
}
