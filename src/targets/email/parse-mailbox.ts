import parseAddresses from 'nodemailer/lib/addressparser'

export type Mailbox = { name: string; address: string }

/** `Shop <orders@shop.example>` or a bare address; undefined when it is not exactly one, or has a line break. */
export function parseMailbox(text: string): Mailbox | undefined {
  if (/[\r\n\0]/.test(text)) return undefined
  const [mailbox, ...others] = parseAddresses(text, { flatten: true })
  if (!mailbox || others.length > 0) return undefined
  const { name, address } = mailbox
  return /^[^\s@<>]+@[^\s@<>]+$/.test(address) ? { name, address } : undefined
}
