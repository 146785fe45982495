/** Where a url leads: without its path, login and query, any of which may be a secret. */
export function originOf(url: string): string {
  const { protocol, host } = new URL(url)
  return `${protocol}//${host}`
}
