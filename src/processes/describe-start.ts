import { exampleOrder } from '#messages/example-order.ts'

/** What `orderwheel dev` prints when everything runs. */
export function describeStart({
  url,
  simulator,
}: {
  url: string
  simulator: { url: string; smtpUrl: string }
}): string {
  // Unique per start, and short enough to type: seconds of the day, in the demo's own words.
  const externalId = `WEB-${Date.now().toString(36).toUpperCase()}`
  return `
Orderwheel is running.

  API               ${url}
  API reference     ${url}/docs
  simulated targets ${simulator.url}   mails: ${simulator.url}/mailbox
  development key   ow_dev_storefront

Send an order (paste this into another terminal):

${curl(url, externalId)}

Then see what became of it:

curl -s '${url}/orders?externalId=${externalId}' -H 'Authorization: Bearer ow_dev_storefront'

Ctrl-C stops everything; the next start finds the orders again.
`
}

function curl(url: string, externalId: string): string {
  return [
    `curl -i '${url}/orders'`,
    `-H 'Authorization: Bearer ow_dev_storefront'`,
    `-H 'Idempotency-Key: ${externalId}'`,
    `-H 'Content-Type: application/json'`,
    `-d ${quote(document(externalId))}`,
  ].join(' \\\n  ')
}

/** One line per member: short enough to see whole, long enough to read. */
function document(externalId: string): string {
  const members = Object.entries(exampleOrder(externalId)).map(
    ([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`,
  )
  return `{\n${members.join(',\n')}\n}`
}

/** For bash, zsh and every other POSIX shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
