import type { Mistake } from '#targets/target-kind.ts'

/** Anything but a complete http or https address. The mistakes never repeat the address: it may hold a password. */
export function findUrlMistakes(path: string, url: string): Mistake[] {
  const parsed = URL.parse(url)
  if (!parsed) {
    return [{ path, message: 'is not a complete address like https://erp.example.com/orders' }]
  }
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
    return [{ path, message: `must start with http:// or https://, not ${parsed.protocol}` }]
  }
  return canDecode(parsed.username + parsed.password)
    ? []
    : [{ path, message: 'has a % in its user or password that has to be written %25' }]
}

function canDecode(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
