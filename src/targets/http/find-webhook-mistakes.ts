import { isIP } from 'node:net'

import type { Mistake } from '#targets/target-kind.ts'

import { findUrlMistakes } from './find-url-mistakes.ts'
import { createBlockList, isAddressOrRange, isListed, isPrivateAddress } from './public-address.ts'
import { isWebhookSecret } from './sign-webhook.ts'
import { splitEntries } from './split-entries.ts'

type Checked = { url: string; secret: string | string[]; allowPrivate?: string | string[] }

/** What no schema can say about a webhook's options. Secrets are not repeated. */
export function findWebhookMistakes({ url, secret, allowPrivate }: Checked): Mistake[] {
  const secrets = splitEntries(secret)
  const entries = splitEntries(allowPrivate).map((entry) => entry.toLowerCase())
  return [
    ...findAddressMistakes(url, entries),
    ...(secrets.length > 0 && secrets.every(isWebhookSecret) ? [] : [badSecret]),
    ...entries.filter((entry) => !isAllowEntry(entry)).map(sayBadEntry),
  ]
}

const badSecret = {
  path: 'secret',
  message: 'must be whsec_ and the base64 of 24 to 64 random bytes, or several of them',
}

/** Names are left to the moment they are resolved. */
function findAddressMistakes(url: string, entries: readonly string[]): Mistake[] {
  const mistakes = findUrlMistakes('url', url)
  if (mistakes.length > 0) return mistakes
  const { protocol, hostname } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  const allowed = createBlockList(entries.filter(isAddressOrRange))
  const listed = entries.includes(host) || (isIP(host) !== 0 && isListed(host, allowed))
  if (listed) return []
  if (isIP(host) !== 0 && isPrivateAddress(host, allowed)) {
    const message = `${host} is not on the public internet: add it to allowPrivate if it is meant`
    return [{ path: 'url', message }]
  }
  if (protocol === 'https:') return []
  return [{ path: 'url', message: `must be https, unless ${host} is added to allowPrivate` }]
}

function isAllowEntry(entry: string): boolean {
  return isAddressOrRange(entry) || /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(entry)
}

function sayBadEntry(entry: string): Mistake {
  return { path: 'allowPrivate', message: `${entry} is no host, address or range like 10.0.0.0/8` }
}
