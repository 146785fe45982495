import SMTPConnection from 'nodemailer/lib/smtp-connection'

import type { SmtpServer } from './smtp-options.ts'

/** One connection to the server. `failed` aborts when it breaks or ends, whatever was going on. */
export type SmtpSession = { connection: SMTPConnection; failed: AbortSignal }

/**
 * Connections kept for the next mail. nodemailer's own pool does not say which connection carries which
 * mail, so that a deadline could only close them all: hence this one, over nodemailer's connections.
 */
export type Smtp = {
  server: SmtpServer
  /** A connection that carried a mail before and is still open. */
  takeOpen(): SmtpSession | undefined
  /** A new connection, not connected yet. */
  create(): SmtpSession
  /** Keeps it for the next mail. */
  keep(session: SmtpSession): void
  close(): Promise<void>
}

/** Longer and the server may close it just as it is used; shorter and a burst of mails gains nothing. */
const keptMilliseconds = 10_000

export function openSmtp(server: SmtpServer, timeoutSeconds: number): Smtp {
  const kept = new Set<SmtpSession>()
  let closed = false
  return {
    server,
    takeOpen() {
      const [session] = kept
      if (session) kept.delete(session)
      return session
    },
    create() {
      const connection = new SMTPConnection(connectionOptions(server, timeoutSeconds))
      const failed = new AbortController()
      const session = { connection, failed: failed.signal }
      const fail = (error: Error) => {
        kept.delete(session)
        failed.abort(error)
      }
      connection.on('error', fail)
      connection.on('end', () => fail(new Error('the connection was closed')))
      return session
    },
    keep(session) {
      if (closed) return session.connection.close()
      kept.add(session)
      setTimeout(() => {
        if (kept.delete(session)) session.connection.quit()
      }, keptMilliseconds).unref()
    },
    close() {
      closed = true
      for (const { connection } of kept) connection.close()
      kept.clear()
      return Promise.resolve()
    },
  }
}

function connectionOptions({ host, port, secure, login }: SmtpServer, timeoutSeconds: number) {
  const milliseconds = timeoutSeconds * 1_000
  return {
    host,
    port,
    secure,
    // A password is not sent in the clear because somebody on the way hid the offer of STARTTLS.
    requireTLS: login !== undefined && !secure && !isLoopback(host),
    // The call's signal is the deadline; these only end what it should have ended.
    connectionTimeout: milliseconds,
    greetingTimeout: milliseconds,
    socketTimeout: milliseconds + 1_000,
    socketCloseTimeout: 0,
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}
