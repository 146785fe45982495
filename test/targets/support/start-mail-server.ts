import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

import { simpleParser, type ParsedMail } from 'mailparser'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { onTestFinished } from 'vitest'

/** A real SMTP server on a free port that keeps what it receives; stopped when the test ends. */
export async function startMailServer(options: SMTPServerOptions = {}) {
  const mails: ParsedMail[] = []
  const sources: string[] = []
  let connections = 0
  const keep = async (stream: Readable, callback: (error: null, reply: string) => void) => {
    const source = await buffer(stream)
    sources.push(source.toString())
    mails.push(await simpleParser(source))
    callback(null, '2.0.0 kept')
  }
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: options.onAuth ? ['STARTTLS'] : ['AUTH', 'STARTTLS'],
    allowInsecureAuth: true,
    closeTimeout: 10,
    onConnect: (_session, callback) => {
      connections += 1
      callback()
    },
    onData: (stream, _session, callback) => {
      void keep(stream, callback)
    },
    ...options,
  })
  server.on('error', () => {}) // a connection a client ended
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise<void>((resolve) => server.close(resolve)))
  const { port } = server.server.address() as AddressInfo
  return { url: `smtp://127.0.0.1:${port}`, port, mails, sources, connections: () => connections }
}

export function smtpError(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode })
}
