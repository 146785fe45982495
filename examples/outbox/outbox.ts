import pg from 'pg'

/**
 * Takes items from the shop's stock and tells of it, in one transaction: both happen, or neither does.
 * `shop.stock` stands for a table of yours.
 */
async function takeFromStock(client: pg.Client, sku: string, quantity: number): Promise<void> {
  await client.query('begin')
  try {
    const { rows } = await client.query<{ quantity: number }>(
      'update shop.stock set quantity = quantity - $2 where sku = $1 returning quantity',
      [sku, quantity],
    )
    const [left] = rows
    if (!left) throw new Error(`There is no ${sku}.`)
    await client.query('insert into orderwheel.outbox (kind, payload) values ($1, $2)', [
      'stock.changed',
      JSON.stringify({ sku, warehouse: 'eu', quantity: left.quantity, reason: 'sold' }),
    ])
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}

const client = new pg.Client({ connectionString: process.env['DATABASE_URL'] })
await client.connect()
try {
  await takeFromStock(client, 'IPOD-GREEN', 2)
  // Optional, after the commit: without it, the relay finds the message within 1.5 s.
  await client.query('notify orderwheel_outbox')
} finally {
  await client.end()
}
