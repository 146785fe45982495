import type { Socket } from 'node:net'

import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server'

import { usualMailboxBehaviour, type MailboxBehaviour } from './behaviour.ts'
import { Mailbox, parseMail } from './mailbox.ts'
import type { Wait } from './wait.ts'

/** Room for a confirmation with a receipt attached. */
const maxMailBytes = 10 * 1024 * 1024

/** An SMTP server (no login, no TLS) that keeps what it receives and behaves as it is told. */
export class SimulatedMailServer {
  readonly mailbox = new Mailbox()
  behaviour: MailboxBehaviour = usualMailboxBehaviour()
  readonly #wait: Wait
  readonly #server: SMTPServer
  readonly #sockets = new Set<Socket>()

  constructor(wait: Wait) {
    this.#wait = wait
    this.#server = new SMTPServer({
      banner: 'Orderwheel simulator',
      disabledCommands: ['AUTH', 'STARTTLS'],
      disableReverseLookup: true,
      size: maxMailBytes,
      // What hangs is for the client's deadline to find, not for this server's.
      socketTimeout: 3_600_000,
      onConnect: (_session, callback) => callback(this.#refusalOfConnection()),
      // Connections that were open before the outage too.
      onMailFrom: (_address, _session, callback) => callback(this.#refusalOfConnection()),
      onRcptTo: ({ address }, _session, callback) => callback(this.#refusalOf(address)),
      onData: (stream, session, callback) => {
        void this.#take(stream, session, callback)
      },
    })
    // A client that breaks off: its own side reports it.
    this.#server.on('error', () => undefined)
    this.#server.server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  /** Its `net.Server`, to listen with. */
  get server() {
    return this.#server.server
  }

  /** Breaks every connection, as a machine that is switched off does. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #refusalOfConnection(): Error | null {
    return this.behaviour.outage ? smtpError(421, 'Service not available, try again later') : null
  }

  #refusalOf(address: string): Error | null {
    const { status, rejectRecipients } = this.behaviour
    if (status !== null) return smtpError(status, 'The simulator was told to refuse recipients')
    const refused = rejectRecipients.some((each) => each.toLowerCase() === address.toLowerCase())
    return refused ? smtpError(550, `No such mailbox: ${address}`) : null
  }

  async #take(
    stream: SMTPServerDataStream,
    session: SMTPServerSession,
    callback: (error: Error | null, reply?: string) => void,
  ): Promise<void> {
    try {
      const reply = await this.#reply(stream, session)
      callback(null, reply)
    } catch (error) {
      callback(error instanceof Error ? error : new Error(String(error)))
    }
  }

  /** Settles with the reply, or never when it hangs. Throws what the client is answered instead. */
  async #reply(stream: SMTPServerDataStream, session: SMTPServerSession): Promise<string> {
    const behaviour = this.behaviour
    const chunks: Buffer[] = []
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (!stream.sizeExceeded) chunks.push(chunk)
    }
    if (behaviour.hang) return new Promise<never>(() => undefined)
    if (stream.sizeExceeded) throw smtpError(552, 'The simulator takes mails of at most 10 MiB')
    await this.#wait(behaviour)
    if (Math.random() < behaviour.errorRate) throw smtpError(451, 'Local error, try again later')

    const mail = await parseMail(Buffer.concat(chunks), envelopeOf(session))
    if (behaviour.dedupe && this.mailbox.has(mail.messageId)) return 'OK: known already'
    this.mailbox.keep(mail)
    return `OK: queued as ${session.id}`
  }
}

function envelopeOf({ envelope }: SMTPServerSession): { from: string; to: string[] } {
  return {
    from: envelope.mailFrom === false ? '' : envelope.mailFrom.address,
    to: envelope.rcptTo.map(({ address }) => address),
  }
}

function smtpError(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode })
}
