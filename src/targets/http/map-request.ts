import { validateHeaderName, validateHeaderValue } from 'node:http'

import { reasonOf } from '#targets/reason-of.ts'
import { messageAndOrder, type Told } from '#targets/target-kind.ts'

import { addPath, sayClimbs } from './add-path.ts'
import { editedBody } from './edit-request.ts'
import { encodeBody, type EncodedBody } from './encode-body.ts'
import type { HttpRequest } from './send-request.ts'

/** A function of the configuration file threw, or returned what cannot be sent. The message names it. */
export class UnusableMapping extends Error {}

type Mapped<T> = T | ((told: Told) => T)

export type MappingOptions = {
  url: string
  path?: Mapped<string>
  method?: string
  headers?: Record<string, Mapped<string>> | ((told: Told) => Record<string, string>)
  body?: unknown
}

/**
 * The request for one order, as the options and their functions say; `edited` is the body that an operator wrote
 * instead. Throws UnusableMapping.
 */
export function mapRequest(
  name: string,
  options: MappingOptions,
  { told, edited }: { told: Told; edited?: unknown },
): HttpRequest {
  const method = options.method ?? 'POST'
  const { bytes, contentType } = findEdited(name, edited) ?? mapBody(name, options, told)
  return {
    url: mapUrl(name, options, told),
    method,
    headers: {
      ...(contentType ? { 'content-type': contentType } : {}),
      ...mapHeaders(name, options, told),
      'idempotency-key': told.idempotencyKey,
    },
    body: bytes,
  }
}

function findEdited(name: string, edited: unknown): EncodedBody | undefined {
  const found = runMapping(`targets.${name}`, () => editedBody(edited))
  if (!found) return undefined
  const contentType = found.format === 'json' ? 'application/json' : 'text/plain; charset=utf-8'
  return { bytes: found.body, contentType }
}

function mapBody(name: string, options: MappingOptions, told: Told): EncodedBody {
  const place = `targets.${name}.body`
  const body = bodyOf(place, options, told)
  return runMapping(place, () => encodeBody(body))
}

function bodyOf(place: string, { method, body }: MappingOptions, told: Told): unknown {
  if (typeof body === 'function')
    return runMapping(place, () => (body as (told: Told) => unknown)(told))
  if (body !== undefined) return body
  return method === 'GET' || method === 'DELETE' ? null : messageAndOrder(told)
}

function mapUrl(name: string, { url, path }: MappingOptions, told: Told): URL {
  if (path === undefined) return new URL(url)
  const place = `targets.${name}.path`
  const added: unknown = typeof path === 'function' ? runMapping(place, () => path(told)) : path
  if (typeof added !== 'string') throw new UnusableMapping(`${place} must return a string`)
  const whole = addPath(url, added)
  if (!whole) throw new UnusableMapping(`${place} ${sayClimbs}`)
  return whole
}

/** Names in lower case. Throws UnusableMapping. */
export function mapHeaders(
  name: string,
  { headers = {} }: Pick<MappingOptions, 'headers'>,
  told: Told,
): Record<string, string> {
  const place = `targets.${name}.headers`
  const mapped: unknown =
    typeof headers === 'function' ? runMapping(place, () => headers(told)) : headers
  if (typeof mapped !== 'object' || mapped === null) {
    throw new UnusableMapping(`${place} must return an object`)
  }
  const sendable: Record<string, string> = {}
  for (const [header, value] of Object.entries(mapped)) {
    const given: unknown =
      typeof value === 'function'
        ? runMapping(`${place}.${header}`, () => value(told) as unknown)
        : (value as unknown)
    if (typeof given !== 'string') {
      throw new UnusableMapping(`${place}.${header} must be a string, not ${typeof given}`)
    }
    runMapping(`${place}.${header}`, () => {
      validateHeaderName(header)
      validateHeaderValue(header, given)
    })
    sendable[header.toLowerCase()] = given
  }
  return sendable
}

/** What a function of the configuration returns. Throws UnusableMapping, which names the place. */
export function runMapping<T>(place: string, map: () => T): T {
  try {
    return map()
  } catch (error) {
    throw new UnusableMapping(`${place} threw: ${reasonOf(error)}`)
  }
}
