import { validateHeaderName, validateHeaderValue } from 'node:http'

import { encodeBody, type EncodedBody } from './encode-body.ts'
import { reasonOf } from './reason-of.ts'
import type { HttpRequest } from './send-request.ts'
import type { Told } from './target-kind.ts'

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

/** The request for one order, as the options and their functions say. Throws UnusableMapping. */
export function mapRequest(name: string, options: MappingOptions, told: Told): HttpRequest {
  const method = options.method ?? 'POST'
  const { bytes, contentType } = mapBody(name, options, told)
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

function mapBody(name: string, options: MappingOptions, told: Told): EncodedBody {
  const place = `targets.${name}.body`
  const body = bodyOf(place, options, told)
  return run(place, () => encodeBody(body))
}

function bodyOf(place: string, { method, body }: MappingOptions, told: Told): unknown {
  if (typeof body === 'function') return run(place, () => (body as (told: Told) => unknown)(told))
  if (body !== undefined) return body
  return method === 'GET' || method === 'DELETE'
    ? null
    : { message: told.message, order: told.order }
}

function mapUrl(name: string, options: MappingOptions, told: Told): URL {
  const url = new URL(options.url)
  const { path } = options
  if (path === undefined) return url
  const place = `targets.${name}.path`
  const added: unknown = typeof path === 'function' ? run(place, () => path(told)) : path
  if (typeof added !== 'string') throw new UnusableMapping(`${place} must return a string`)
  const whole = new URL(url)
  const [pathname = '', ...query] = added.split('?')
  const base = `${url.pathname.replace(/\/$/, '')}/`
  whole.pathname = base + pathname.replace(/^\//, '')
  if (climbs(pathname) || !whole.pathname.startsWith(base))
    throw new UnusableMapping(`${place} has a segment "." or "..", which leads to another place`)
  if (query.length > 0) whole.search = [url.search, query.join('?')].filter(Boolean).join('&')
  return whole
}

/**
 * What a path is made of may come from the buyer: `/customers/${id}` must not become another request. Looks
 * behind what URLs and careless servers see through: escapes, backslashes, and the controls that URL drops.
 */
function climbs(pathname: string): boolean {
  const seen = pathname
    .replaceAll(/[\t\n\r]/g, '')
    .replaceAll(/%2e/gi, '.')
    .replaceAll(/%2f|%5c|\\/gi, '/')
  return seen.split('/').some((segment) => segment === '.' || segment === '..')
}

function mapHeaders(name: string, { headers = {} }: MappingOptions, told: Told) {
  const place = `targets.${name}.headers`
  const mapped: unknown = typeof headers === 'function' ? run(place, () => headers(told)) : headers
  if (typeof mapped !== 'object' || mapped === null) {
    throw new UnusableMapping(`${place} must return an object`)
  }
  const sendable: Record<string, string> = {}
  for (const [header, value] of Object.entries(mapped)) {
    const given: unknown =
      typeof value === 'function'
        ? run(`${place}.${header}`, () => value(told) as unknown)
        : (value as unknown)
    if (typeof given !== 'string') {
      throw new UnusableMapping(`${place}.${header} must be a string, not ${typeof given}`)
    }
    run(`${place}.${header}`, () => {
      validateHeaderName(header)
      validateHeaderValue(header, given)
    })
    sendable[header.toLowerCase()] = given
  }
  return sendable
}

function run<T>(place: string, map: () => T): T {
  try {
    return map()
  } catch (error) {
    throw new UnusableMapping(`${place} threw: ${reasonOf(error)}`)
  }
}
