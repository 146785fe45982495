import { http, httpKind, type HttpOptions } from '#targets/http/http.ts'
import type { Target } from '#targets/target.ts'

/** A real `http()` target, as a configuration file makes it. */
export function httpTarget(name: string, options: HttpOptions): Target {
  return httpKind.create(name, http(options).options, { directory: '.' })
}
