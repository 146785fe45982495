// Places the order in a file: ORDERWHEEL_URL=… ORDERWHEEL_API_KEY=… node place-order.ts [order.json], with Node 24
import { readFile } from 'node:fs/promises'

import { createClient, NoAnswerError, type Order, ProblemError } from 'orderwheel/client'

const { ORDERWHEEL_URL = 'http://127.0.0.1:8080', ORDERWHEEL_API_KEY = 'ow_dev_storefront' } =
  process.env
const orderwheel = createClient({ url: ORDERWHEEL_URL, apiKey: ORDERWHEEL_API_KEY })
const file = process.argv[2] ?? new URL('order.json', import.meta.url)
const order = JSON.parse(await readFile(file, 'utf8')) as Order

try {
  const placed = await orderwheel.placeOrder(order)
  console.log(`${placed.externalId} is ${placed.state}: ${placed.id}`)
} catch (error) {
  if (error instanceof ProblemError) {
    // The order is wrong, or may not be placed: sending it again would change nothing.
    console.error(`${error.code}: ${error.message}`)
    for (const { pointer, detail } of error.errors) console.error(`  ${pointer}: ${detail}`)
    process.exitCode = 1
  } else if (error instanceof NoAnswerError) {
    // Keep it and send it again later: the client makes the same key of the same order.
    console.error(error.message)
    process.exitCode = 2
  } else throw error
}
