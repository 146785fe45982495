import { paymentLatencyMs, usualLatenciesMs } from './behaviour.ts'

/** The text of `GET /`: what is played and the lines to paste. `host` as the client addressed it. */
export function describeSimulator(host: string): string {
  const url = `http://${host}`
  const targets = Object.entries(usualLatenciesMs).map(
    ([name, ms]) => `  ${name.padEnd(20)}${String(ms).padStart(5)} ms${noteOf(name)}`,
  )
  return `Orderwheel's simulated targets. Any /<target>/... is taken as a call to that target.

${targets.join('\n')}

/payment is a card gateway (${paymentLatencyMs} ms) that charges a key once. Tokens: tok_approve, tok_decline, tok_slow,
tok_timeout_after_charge, tok_500_after_charge. What it charged:
  curl ${url}/payment/charges

What a target was sent (the last 10 000 calls; "answered" is null while a call is under way
and when the client went away), and forgetting it:
  curl ${url}/erp/calls
  curl -X DELETE ${url}/erp/calls

The mails that arrived (the last 1 000):
  curl ${url}/mailbox
  curl -X DELETE ${url}/mailbox

How a target behaves. PUT changes the fields it names, DELETE goes back to the usual:
  curl ${url}/erp/behaviour
  curl -X PUT ${url}/erp/behaviour -d '{"outage": true}'
  curl -X PUT ${url}/erp/behaviour -d '{"status": 429, "retryAfterSeconds": 3}'
  curl -X PUT ${url}/erp/behaviour -d '{"latencyMs": 2000, "jitterMs": 500, "errorRate": 0.2}'
  curl -X PUT ${url}/erp/behaviour -d '{"hang": true}'
  curl -X PUT ${url}/erp/behaviour -d '{"dedupe": true}'
  curl -X DELETE ${url}/erp/behaviour

The mail server's (/confirmation-email/behaviour is the same):
  curl -X PUT ${url}/mailbox/behaviour -d '{"outage": true}'
  curl -X PUT ${url}/mailbox/behaviour -d '{"rejectRecipients": ["ada@example.com"]}'
  curl -X DELETE ${url}/mailbox/behaviour
`
}

function noteOf(name: string): string {
  if (name === 'confirmation-email') return '  told over SMTP, see /mailbox'
  const isBuiltIn = name === 'receipt' || name === 'audit'
  return isBuiltIn ? '  built in: only who does without Orderwheel calls it' : ''
}
