import pg from 'pg'

import type { Log } from '#base/log.ts'

import type { Channel } from './notify.ts'
import { isThroughPooler } from './set-up-connection.ts'

export type Listener = { close(): Promise<void> }

export type ListenOptions = {
  /** A direct connection: LISTEN does not work through a transaction pooler. */
  connection: pg.ClientConfig
  channels: readonly Channel[]
  /** The notification's payload; '' on each channel after each (re)connection, since some may have been missed. */
  onNotification(payload: string, channel: Channel): void
  applicationName: string
  log: Log
}

const reconnectSeconds = 1

/**
 * Listens on a connection of its own and reconnects for as long as it is not closed; gives up when a pooler
 * answers. Never throws.
 */
export function listen(options: ListenOptions): Listener {
  let closed = false
  let client: pg.Client | undefined
  let timer: NodeJS.Timeout | undefined

  async function connect() {
    const next = new pg.Client({
      ...options.connection,
      application_name: options.applicationName,
      // It never sends anything: without probes a server that is gone would not be noticed.
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      connectionTimeoutMillis: 5_000,
    })
    client = next
    let lost = false
    const reconnect = () => {
      if (closed || lost) return
      lost = true
      next.end().catch(() => undefined) // it is broken already
      timer = setTimeout(() => void connect(), reconnectSeconds * 1_000)
    }
    next.on('error', reconnect)
    next.on('end', reconnect)
    next.on('notification', ({ payload = '', channel }) => {
      const known = options.channels.find((name) => name === channel)
      if (known) options.onNotification(payload, known)
    })
    try {
      await next.connect()
      if (await isThroughPooler(next)) {
        options.log.info(
          { channels: options.channels },
          'no listening through a pooler, polling instead',
        )
        await close()
        return
      }
      await next.query(options.channels.map((channel) => `listen ${channel}`).join('; '))
      for (const channel of options.channels) options.onNotification('', channel)
    } catch (error) {
      options.log.debug(
        { err: error, channels: options.channels },
        'cannot listen, polling instead',
      )
      reconnect()
    }
  }

  async function close() {
    closed = true
    clearTimeout(timer)
    await client?.end().catch(() => undefined) // it may be broken already
  }

  void connect()
  return { close }
}
