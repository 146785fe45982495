import { exampleOrder } from '#messages/example-order.ts'

type Started = {
  url: string
  simulator: { url: string; smtpUrl: string }
  /** Of the embedded server; absent when DATABASE_URL names another. */
  databaseUrl: string | undefined
}

/** What `orderwheel dev` prints when everything runs. */
export function describeStart({ url, simulator, databaseUrl }: Started): string {
  // Another number at each start: an order number is good once.
  const externalId = `WEB-${Date.now().toString(36).toUpperCase()}`
  return `
Orderwheel is running.

  API                ${url}
  API reference      ${url}/docs
  simulated targets  ${simulator.url}
  storefront's key   ow_dev_storefront
  operator's key     ow_dev_operator

Send an order (paste this into another terminal):

${curl(url, externalId)}

See what became of it:

curl -s '${url}/orders?externalId=${externalId}' -H 'Authorization: Bearer ow_dev_storefront'
${databaseUrl === undefined ? '' : describeDatabase(databaseUrl, externalId)}
Ctrl-C stops everything; the next start finds the orders again.
`
}

function describeDatabase(databaseUrl: string, externalId: string): string {
  return `
Or with the other commands, which take the database from the environment:

export DATABASE_URL='${databaseUrl}'
npx orderwheel order ${externalId}
npx orderwheel status

Commands that read the configuration, check and targets test, take the demo's variables, too:

eval "$(npx orderwheel simulate --variables)"
npx orderwheel targets test erp --order ${externalId} --dry-run
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
