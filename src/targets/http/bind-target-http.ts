import type { Dispatcher } from 'undici'

import { toldOf } from '#targets/target-kind.ts'
import type { Call } from '#targets/target.ts'

import { addPath, sayClimbs } from './add-path.ts'
import { bindHttp, type BoundHttp } from './bind-http.ts'
import { mapHeaders, UnusableMapping, type MappingOptions } from './map-request.ts'

/**
 * `http` of a lookup in `http()`: a url that starts with / is added to the target's own, and goes with the
 * target's headers. Other urls go without: the headers may hold a token that is meant for the target only.
 */
export function bindTargetHttp(
  dispatcher: Dispatcher,
  name: string,
  options: Pick<MappingOptions, 'url' | 'headers'>,
  call: Call,
): BoundHttp {
  const http = bindHttp(dispatcher, { signal: call.signal })
  return async (request) => {
    if (!request.url.startsWith('/')) return http(request)
    const url = addPath(options.url, request.url)
    if (!url) throw new UnusableMapping(`its url ${sayClimbs}`)
    const headers = { ...mapHeaders(name, options, toldOf(call)), ...request.headers }
    return http({ ...request, url: url.href, headers })
  }
}
