/**
 * `url` with a path and perhaps a query added: `https://erp/api` and `/orders?ref=1`. Undefined when what was
 * added leads to another place.
 */
export function addPath(url: string, added: string): URL | undefined {
  const whole = new URL(url)
  const [pathname = '', ...query] = added.split('?')
  const base = `${whole.pathname.replace(/\/$/, '')}/`
  whole.pathname = base + pathname.replace(/^\//, '')
  if (climbs(pathname) || !whole.pathname.startsWith(base)) return undefined
  if (query.length > 0) whole.search = [whole.search, query.join('?')].filter(Boolean).join('&')
  return whole
}

export const sayClimbs = 'has a segment "." or "..", which leads to another place'

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
