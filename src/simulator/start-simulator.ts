import type { AddressInfo, Server } from 'node:net'

import { OrderwheelError } from '#base/errors.ts'
import type { Log } from '#base/log.ts'

import { SimulatedMailServer } from './simulated-mail-server.ts'
import { createTargetsServer } from './simulated-targets-server.ts'
import { createWait } from './wait.ts'

export type SimulatorOptions = {
  /** Default 127.0.0.1. */
  host?: string
  /** HTTP. 0 takes a free one. */
  port: number
  /** SMTP. 0 takes a free one. */
  smtpPort: number
  /** Divides every simulated latency. Above 0; default 1. */
  speed?: number
  log: Log
}

export type Simulator = {
  /** `http://127.0.0.1:3900` */
  url: string
  /** `smtp://127.0.0.1:2525` */
  smtpUrl: string
  /** Breaks what is under way. May be called twice; resolves when both ports are free again. */
  stop(): Promise<void>
}

/**
 * Starts the HTTP server that plays every slow target and the SMTP server that keeps what it receives.
 * Throws an `OrderwheelError` with code `port-taken` that names the variable to set; nothing is left
 * running then. Code `usage` for a speed that is none.
 */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const { host = '127.0.0.1', speed = 1, log } = options
  if (!(speed > 0 && speed < Infinity)) {
    throw new OrderwheelError('usage', `The speed must be a number above 0, not ${speed}.`)
  }
  const stopped = new AbortController()
  const wait = createWait(speed, stopped.signal)
  const mail = new SimulatedMailServer(wait)
  const targets = createTargetsServer(mail, wait, log)
  const stop = async () => {
    stopped.abort()
    await Promise.all([mail.stop(), stopHttp(targets)])
  }
  try {
    return {
      url: await listen(targets, host, { port: options.port, ...httpPort }),
      smtpUrl: await listen(mail.server, host, { port: options.smtpPort, ...smtpPort }),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

const httpPort = { scheme: 'http', variable: 'ORDERWHEEL_SIMULATOR_PORT' }
const smtpPort = { scheme: 'smtp', variable: 'ORDERWHEEL_SMTP_PORT' }

type Port = { port: number; scheme: string; variable: string }

function listen(server: Server, host: string, { port, scheme, variable }: Port): Promise<string> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => reject(portError(error, host, port, variable))
    server.once('error', failed)
    server.listen(port, host, () => {
      server.off('error', failed)
      const { port } = server.address() as AddressInfo
      resolve(`${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`)
    })
  })
}

function portError(
  error: NodeJS.ErrnoException,
  host: string,
  port: number,
  variable: string,
): Error {
  if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES') return error
  const why = error.code === 'EACCES' ? 'may not be used by this user' : 'is taken'
  return new OrderwheelError(
    'port-taken',
    `Port ${port} of ${host}, wanted for the simulated targets, ${why}. Stop what uses it, or set ${variable} to another port.`,
    { cause: error },
  )
}

async function stopHttp(server: Server & { closeAllConnections?(): void }): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections?.()
  await closed
}
