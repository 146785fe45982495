/** What an option of a target is, in words that may be shown to anybody. */
export function hideSecrets(option: string, value: unknown): string {
  if (typeof value === 'function') return 'a function'
  if (open.has(option)) return [value].flat().join(', ') || '-'
  if (option === 'url' || (option === 'smtp' && typeof value === 'string')) return hideInUrl(value)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return hidden
  if (option === 'smtp') return describeParts(value)
  // Their values are often tokens.
  return option === 'headers' ? Object.keys(value).join(', ') : hidden
}

const hidden = '***'

/** Everything else may be a secret, a misspelt `password` too. */
const open = new Set([
  'method',
  'path',
  'template',
  'templatesDirectory',
  'from',
  'to',
  'timeZone',
  'allowPrivate',
])

/** Keys are sent in a query as well as before the host. */
function hideInUrl(text: unknown): string {
  const url = typeof text === 'string' ? URL.parse(text) : null
  if (!url) return 'no complete address'
  const login = url.username || url.password ? `${hidden}@` : ''
  const query = url.search ? `?${hidden}` : ''
  return `${url.protocol}//${login}${url.host}${url.pathname}${query}`
}

function describeParts(smtp: object): string {
  return Object.entries(smtp)
    .map(([part, value]) =>
      ['host', 'port', 'secure'].includes(part) ? `${part} ${value}` : `${part} ${hidden}`,
    )
    .join(', ')
}
