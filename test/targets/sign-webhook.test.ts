import { expect, test } from 'vitest'

import { isWebhookSecret, signWebhook, webhookKey } from '#targets/http/sign-webhook.ts'

test('the signature of the Standard Webhooks test vector comes out', () => {
  const webhook = {
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestampSeconds: 1_614_265_330,
    body: '{"test": 2432232314}',
  }
  expect(signWebhook(webhook, [webhookKey('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')])).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
})

test.each([
  ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', true],
  ['MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', false],
  ['whsec_c2hvcnQ=', false],
  ['whsec_not base64 at all, sorry for that', false],
  [`whsec_${Buffer.alloc(65).toString('base64')}`, false],
])('%s is a secret: %s', (secret, expected) => {
  expect(isWebhookSecret(secret)).toBe(expected)
})
