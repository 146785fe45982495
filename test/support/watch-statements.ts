import type pg from 'pg'

export type Statement = { text: string; values: readonly unknown[] }

/** Answers a function that answers what a piece of work says about our schema, as the server gets it. */
export function watchStatements(pool: pg.Pool) {
  const watched = new WeakSet<pg.PoolClient>()
  let said: Statement[] = []
  pool.on('acquire', (client) => {
    if (watched.has(client)) return
    watched.add(client)
    const send: (...query: unknown[]) => unknown = client.query.bind(client)
    Object.assign(client, {
      query: (query: unknown, values: unknown, ...rest: unknown[]) => {
        note(query, values)
        return send(query, values, ...rest)
      },
    })
  })

  function note(query: unknown, values: unknown) {
    if (typeof query === 'string') add(query, values)
    else if (query instanceof Object && 'text' in query)
      add(String(query.text), 'values' in query ? query.values : values)
  }

  function add(text: string, values: unknown) {
    if (!/orderwheel"?\./.test(text)) return
    said.push({ text, values: Array.isArray(values) ? values : [] })
  }

  return async function saidDuring(work: () => Promise<unknown>): Promise<Statement[]> {
    said = []
    await work()
    const all = said
    said = []
    return all
  }
}
