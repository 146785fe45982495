import type pg from 'pg'

/**
 * Sets a new connection up: gives the session its settings, or, when a pooler answered, leaves them out and takes
 * the names off prepared statements. A pooler hands each transaction to whichever session is free: a setting would
 * be somebody else's the next moment, and what was prepared would not be there.
 */
export async function setUpConnection(
  client: pg.ClientBase,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const query = {
    text: `
      select set_config(name, value, false) from unnest($1::text[], $2::text[]) as s(name, value)
       where ${isServer(3)}`,
    values: [Object.keys(settings), Object.values(settings), greetedBy(client)],
    query_timeout: setUpWithinMs,
  }
  const { rowCount } = await client.query(query)
  if (rowCount === 0) takeNamesOff(client)
}

// As long as connecting may take: a pooler lets us in at once, and may have no session free.
const setUpWithinMs = 5_000

/** Whether a pooler such as PgBouncer is between us and the server. */
export async function isThroughPooler(client: pg.ClientBase): Promise<boolean> {
  const same = await client.query(`select where ${isServer(1)}`, [greetedBy(client)])
  return same.rowCount === 0
}

/** A pooler greets before it has chosen a server's session, so the process id it gives is made up. */
function isServer(parameter: number): string {
  return `pg_backend_pid() = $${parameter}`
}

/** The process id of the greeting, which cancels statements; node-postgres keeps it, its types do not say so. */
function greetedBy(client: pg.ClientBase): unknown {
  return 'processID' in client ? client.processID : null
}

function takeNamesOff(client: pg.ClientBase): void {
  const send: (...query: unknown[]) => unknown = client.query.bind(client)
  Object.assign(client, {
    query: (query: unknown, ...rest: unknown[]) =>
      send(isNamed(query) ? { ...query, name: undefined } : query, ...rest),
  })
}

function isNamed(query: unknown): query is { name: string } {
  return query instanceof Object && 'name' in query && !('submit' in query)
}
