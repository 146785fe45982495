import MailComposer from 'nodemailer/lib/mail-composer'

import type { MadeFile } from '#targets/outcome.ts'

import type { Mailbox } from './parse-mailbox.ts'

/** A mail ready to be sent: `source` is its whole text, headers included. */
export type Mail = {
  /** `<…@shop.example>` */
  messageId: string
  envelope: { from: string; to: string[]; size: number }
  source: Buffer
}

/** nodemailer folds line breaks in names and subjects: nothing an order says becomes a header. */
export async function composeMail(content: {
  from: Mailbox
  to: Mailbox
  subject: string
  text: string
  html: string
  files: readonly MadeFile[]
  idempotencyKey: string
}): Promise<Mail> {
  const { from, to, subject, text, html, files, idempotencyKey } = content
  const messageId = messageIdOf(idempotencyKey, from.address)
  const source = await new MailComposer({
    from: { name: from.name, address: from.address },
    to: { name: to.name, address: to.address },
    subject,
    text,
    html,
    messageId,
    attachments: files.map(({ name, contentType, bytes }) => ({
      filename: name,
      contentType,
      content: Buffer.from(bytes),
    })),
    // RFC 3834: out-of-office replies stay away.
    headers: { 'Auto-Submitted': 'auto-generated' },
    disableFileAccess: true,
    disableUrlAccess: true,
  })
    .compile()
    .build()
  const envelope = { from: from.address, to: [to.address], size: source.length }
  return { messageId, envelope, source }
}

/** The same for every attempt: a mailbox that gets it twice can tell. */
function messageIdOf(idempotencyKey: string, from: string): string {
  const host = from.slice(from.lastIndexOf('@') + 1)
  return `<${idempotencyKey.replaceAll(/[^A-Za-z0-9._-]/g, '-')}@${host}>`
}
