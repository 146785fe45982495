import { lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'

import { buildConnector } from 'undici'

import { createBlockList, isAddressOrRange, isPrivateAddress } from './public-address.ts'

/** The host is, or resolved to, an address that is not public. The message names neither: it becomes a reason. */
export class PrivateAddressRefused extends Error {
  constructor() {
    super('the address is not on the public internet and not in allowPrivate')
  }
}

/**
 * Connects to public addresses only, and to what `allowPrivate` names (host names, addresses, ranges).
 * Decided on the very addresses the socket is then given: a name that answers otherwise the second time
 * it is asked (DNS rebinding) gains nothing.
 */
export function connectPublic(
  allowPrivate: readonly string[],
  timeoutMilliseconds: number,
  lookup: LookupFunction = systemLookup,
): buildConnector.connector {
  const hosts = allowPrivate.map((host) => host.toLowerCase())
  const allowed = createBlockList(allowPrivate.filter(isAddressOrRange))
  const guardedLookup: LookupFunction = (host, options, callback) => {
    lookup(host, options, (error, found, family) => {
      if (error) return callback(error, found, family)
      const addresses = typeof found === 'string' ? [found] : found.map(({ address }) => address)
      // One private address among public ones is no accident.
      const refused = addresses.some((address) => isPrivateAddress(address, allowed))
      callback(refused ? new PrivateAddressRefused() : null, found, family)
    })
  }
  const timeout = timeoutMilliseconds
  const connectGuarded = buildConnector({ timeout, allowH2: false, lookup: guardedLookup })
  const connectAnywhere = buildConnector({ timeout, allowH2: false, lookup })
  return (options, callback) => {
    // A literal address is dialled without a lookup. URL has already turned 2130706433 and 0x7f.1 into one.
    const host = options.hostname.replace(/^\[|\]$/g, '')
    if (hosts.includes(host)) return connectAnywhere(options, callback)
    if (isIP(host) !== 0 && isPrivateAddress(host, allowed)) {
      return callback(new PrivateAddressRefused(), null)
    }
    connectGuarded(options, callback)
  }
}
