import { writeBody, type WrittenRequest } from './edit-request.ts'
import { UnusableMapping } from './map-request.ts'
import type { HttpRequest } from './send-request.ts'

/** What a person reads of a request, as the configuration of target `name` makes it of an order. */
export function writeRequest(name: string, map: () => HttpRequest): WrittenRequest {
  try {
    const { body, headers } = map()
    if (body === null) return { mistake: `targets.${name} sends no body for this order.` }
    const text =
      typeof body === 'string' ? body : new TextDecoder('utf-8', { fatal: true }).decode(body)
    return writeBody(text, headers['content-type'] ?? '')
  } catch (error) {
    if (error instanceof UnusableMapping) return { mistake: `${error.message}.` }
    // Of the decoder.
    if (error instanceof TypeError)
      return { mistake: `targets.${name} sends bytes that are no text for this order.` }
    throw error
  }
}
