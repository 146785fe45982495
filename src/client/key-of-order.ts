/**
 * An Idempotency-Key that says which order and which body: a process that was killed before it had the answer makes
 * the same one when it sends the order again, and a corrected order gets another.
 */
export async function keyOfOrder(externalId: string, body: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(body))
  const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0'))
  // Only an order that will be refused has a number that is no part of a header.
  const number = /^[\x21-\x7e]{1,64}$/.test(externalId) ? externalId : 'order'
  return `${number}:${hex.join('').slice(0, 32)}`
}
