import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'

/** Whether it is `whsec_` and the base64 of 24 to 64 bytes. */
export function isWebhookSecret(secret: string): boolean {
  if (!/^whsec_[A-Za-z0-9+/]+={0,2}$/.test(secret)) return false
  const { length } = bytesOf(secret)
  return length >= 24 && length <= 64
}

/** The key of a secret, made once: of its bytes, each signature would make it again, for three times the price. */
export function webhookKey(secret: string): KeyObject {
  return createSecretKey(bytesOf(secret))
}

/**
 * The headers of Standard Webhooks 1.0 (https://www.standardwebhooks.com): one `v1` signature,
 * HMAC-SHA256 of `id.timestamp.body`, for the key of each active secret.
 */
export function signWebhook(
  webhook: { id: string; timestampSeconds: number; body: string },
  keys: readonly KeyObject[],
): Record<string, string> {
  const { id, timestampSeconds, body } = webhook
  const content = `${id}.${timestampSeconds}.${body}`
  const signatures = keys.map(
    (key) => `v1,${createHmac('sha256', key).update(content).digest('base64')}`,
  )
  return {
    'webhook-id': id,
    'webhook-timestamp': `${timestampSeconds}`,
    'webhook-signature': signatures.join(' '),
  }
}

function bytesOf(secret: string): Buffer {
  return Buffer.from(secret.slice('whsec_'.length), 'base64')
}
