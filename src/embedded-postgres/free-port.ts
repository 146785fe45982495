import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'

/**
 * A port of 127.0.0.1 nobody listens on now (somebody may a moment later): `wished` if that is one,
 * else any.
 */
export async function freePort(wished = 0): Promise<number> {
  try {
    return await tryPort(wished)
  } catch (error) {
    if (wished === 0) throw error
    return tryPort(0)
  }
}

function tryPort(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        address instanceof Object ? resolve(address.port) : reject(new Error('no port')),
      )
    })
  })
}

/** The port the server had last time, from the command line it keeps beside its data; 0: none yet. */
export async function lastPort(dataDirectory: string): Promise<number> {
  const file = join(dataDirectory, 'pgdata', 'postmaster.opts')
  const commandLine = await readFile(file, 'utf8').catch(() => '')
  return Number(/"port=(\d+)"/.exec(commandLine)?.[1] ?? 0)
}
