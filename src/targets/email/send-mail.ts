import { Readable } from 'node:stream'

import { keepAnswer } from '#targets/keep-answer.ts'
import { keepThrown } from '#targets/keep-thrown.ts'
import { delivered, giveUp, tryAgain, uncertain, type Outcome } from '#targets/outcome.ts'
import { storableReason } from '#targets/read-outcome.ts'
import { reasonOf } from '#targets/reason-of.ts'

import type { Mail } from './compose-mail.ts'
import type { Smtp, SmtpSession } from './open-smtp.ts'

/** What became of one mail. */
export type MailExchange =
  | { kind: 'accepted'; reply: string }
  /** The server said no. `command` is what it said no to: CONN, EHLO, AUTH PLAIN, MAIL FROM, RCPT TO, DATA. */
  | { kind: 'refused'; status: number; reply: string; command: string }
  /** Cannot be sent to any server: an address or a size this one does not take. */
  | { kind: 'unsendable' }
  | { kind: 'not-sent'; error: unknown }
  /** The text of the mail went out, and no reply to it came: it may be on its way. */
  | { kind: 'unanswered'; error: unknown }

/** Sends one mail over a kept or a new connection. Does not throw; ends at once when `signal` aborts. */
export async function sendMail(smtp: Smtp, mail: Mail, signal: AbortSignal): Promise<MailExchange> {
  const kept = smtp.takeOpen()
  if (kept) {
    const exchange = await useSession(smtp, kept, mail, signal)
    if (signal.aborted || !isOver(exchange)) return exchange
  }
  const created = smtp.create()
  return useSession(smtp, created, mail, signal, () => logIn(smtp, created))
}

/** The server closed the connection meanwhile, or says (421) that it is about to: a new one tells more. */
function isOver(exchange: MailExchange): boolean {
  return exchange.kind === 'not-sent' || (exchange.kind === 'refused' && exchange.status === 421)
}

/** What it means for the delivery. Reasons leave out the reply: servers repeat the recipient's address in it. */
export function explainMail(
  exchange: MailExchange,
  { messageId }: Pick<Mail, 'messageId'>,
): Outcome {
  if (exchange.kind === 'refused') return explainRefusal(exchange)
  if (exchange.kind === 'accepted') {
    const answer = { status: statusOf(exchange.reply), text: exchange.reply, value: { messageId } }
    return delivered(keepAnswer(answer, 'delivered'))
  }
  // nodemailer's own words would repeat the address.
  if (exchange.kind === 'unsendable') return giveUp('the mail server takes no such address or size')
  const cause = reasonOf(exchange.error)
  const thrown = keepThrown(exchange.error)
  return exchange.kind === 'not-sent'
    ? tryAgain(storableReason(`not sent: ${cause}`), thrown && { answer: thrown })
    : uncertain(storableReason(`sent, but no reply: ${cause}`), thrown)
}

function explainRefusal({ status, reply, command }: MailExchange & { kind: 'refused' }): Outcome {
  const code = enhancedStatusOf(reply)
  const answer = keepAnswer({ status, text: reply, ...(code && { code }) }, 'give-up')
  const reason = `the mail server answered ${status} to ${command}`
  // 5yz to the recipient or the text is for good (RFC 5321, 4.2.1), and so is 552 to MAIL FROM: larger than this
  // server takes (RFC 1870). Any other refused greeting, login or sender (535, 530, 550) is about our account:
  // an operator mends it, and every mail that waited goes out.
  const aboutTheMail = ['RCPT TO', 'DATA'].includes(command) && status !== 530
  const tooLarge = command === 'MAIL FROM' && status === 552
  const forGood = status >= 500 && (aboutTheMail || tooLarge)
  return forGood ? giveUp(reason, answer) : tryAgain(reason, { answer })
}

/** `5.1.1` of `550 5.1.1 user unknown` (RFC 3463): it says more than the status. */
function enhancedStatusOf(reply: string): string | undefined {
  return /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})\b/.exec(reply)?.[1]
}

async function useSession(
  smtp: Smtp,
  session: SmtpSession,
  mail: Mail,
  signal: AbortSignal,
  prepare: () => Promise<void> = () => Promise.resolve(),
): Promise<MailExchange> {
  const progress = { textSent: false }
  const ended = new AbortController()
  try {
    const work = prepare().then(() => transmit(session, mail, progress))
    const reply = await Promise.race([work, aborted([signal, session.failed], ended.signal)])
    smtp.keep(session)
    return { kind: 'accepted', reply }
  } catch (error) {
    session.connection.close()
    return explainError(error, progress.textSent)
  } finally {
    ended.abort()
  }
}

async function logIn({ server: { login } }: Smtp, { connection }: SmtpSession): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    connection.connect((error) => (error ? reject(error) : resolve()))
  })
  if (!login) return
  await new Promise<void>((resolve, reject) => {
    const { user, password: pass } = login
    connection.login({ user, pass }, (error) => (error ? reject(error) : resolve()))
  })
}

/** nodemailer begins to read the mail when the server has agreed to DATA: from then on it may be accepted. */
function transmit(
  { connection }: SmtpSession,
  { envelope, source }: Mail,
  progress: { textSent: boolean },
): Promise<string> {
  const text = new Readable({
    read() {
      progress.textSent = true
      this.push(source)
      this.push(null)
    },
  })
  return new Promise((resolve, reject) => {
    connection.send(envelope, text, (error, sent) => {
      if (error) reject(error)
      else resolve(sent?.response ?? '')
    })
  })
}

/**
 * Rejects when one of the signals aborts. `ended` takes the listeners off again: a call's signal lives for as
 * long as it has one, and a connection for many mails.
 */
function aborted(signals: AbortSignal[], ended: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    for (const signal of signals) {
      const abort = () => reject(signal.reason as Error)
      if (signal.aborted) abort()
      else signal.addEventListener('abort', abort, { once: true, signal: ended })
    }
  })
}

type SmtpError = { code?: string; command?: string; response?: string; responseCode?: number }

function explainError(error: unknown, textSent: boolean): MailExchange {
  const { code, command = '', response = '', responseCode } = error as SmtpError
  if (responseCode) return { kind: 'refused', status: responseCode, reply: response, command }
  if (textSent) return { kind: 'unanswered', error }
  const unsendable = code === 'EENVELOPE' || code === 'EMESSAGE'
  return unsendable ? { kind: 'unsendable' } : { kind: 'not-sent', error }
}

function statusOf(reply: string): number {
  return Number(reply.slice(0, 3))
}
