/** What an API key may do. The table's check constraint holds the same list. */
export const scopes = [
  'orders:write',
  'orders:read',
  'messages:write',
  'reports',
  'ops:read',
  'ops:write',
] as const

export type Scope = (typeof scopes)[number]

export function isScope(text: string): text is Scope {
  return (scopes as readonly string[]).includes(text)
}
