import { simpleParser, type AddressObject } from 'mailparser'

/** A mail as `GET /mailbox` shows it. */
export type ReceivedMail = {
  /** ISO 8601, when the server accepted it. */
  receivedAt: string
  /** What the client said in `MAIL FROM` and `RCPT TO`: bare addresses. */
  envelope: { from: string; to: string[] }
  /** The header as written: `Demo Shop <shop@example.com>`. */
  from: string
  to: string
  subject: string
  messageId: string
  text: string
  /** Empty when there is no HTML part. */
  html: string
  /** Every header by its name in lower case, unfolded, encoded words as they came. */
  headers: Record<string, string>
  attachments: { filename: string; contentType: string; bytes: number }[]
}

/** So that a benchmark of hours does not fill the memory. */
const maxMails = 1_000

/** The last 1 000 mails the SMTP server accepted, oldest first. */
export class Mailbox {
  #mails: ReceivedMail[] = []

  list(): ReceivedMail[] {
    return this.#mails
  }

  empty(): void {
    this.#mails = []
  }

  has(messageId: string): boolean {
    return messageId !== '' && this.#mails.some((mail) => mail.messageId === messageId)
  }

  keep(mail: ReceivedMail): void {
    this.#mails.push(mail)
    if (this.#mails.length > maxMails) this.#mails.shift()
  }
}

export async function parseMail(
  source: Buffer,
  envelope: ReceivedMail['envelope'],
): Promise<ReceivedMail> {
  // Only the parts it really has: a mail without a text part must show.
  const mail = await simpleParser(source, { skipHtmlToText: true, skipTextToHtml: true })
  return {
    receivedAt: new Date().toISOString(),
    envelope,
    from: mail.from?.text ?? '',
    to: addresses(mail.to),
    subject: mail.subject ?? '',
    messageId: mail.messageId ?? '',
    text: mail.text ?? '',
    html: mail.html || '',
    headers: Object.fromEntries(
      mail.headerLines.map(({ key, line }) => [
        key,
        line
          .slice(key.length + 1)
          .replaceAll(/\r?\n\s+/g, ' ')
          .trim(),
      ]),
    ),
    attachments: mail.attachments.map(({ filename, contentType, size }) => ({
      filename: filename ?? '',
      contentType,
      bytes: size,
    })),
  }
}

function addresses(to: AddressObject | AddressObject[] | undefined): string {
  return [to ?? []]
    .flat()
    .map((each) => each.text)
    .join(', ')
}
