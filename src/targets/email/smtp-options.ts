import { Type, type Static } from 'typebox'

import type { Mistake } from '#targets/target-kind.ts'

export const SmtpOptions = Type.Union([
  Type.String(),
  Type.Object(
    {
      host: Type.String({ minLength: 1 }),
      port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
      secure: Type.Optional(Type.Boolean()),
      user: Type.Optional(Type.String()),
      password: Type.Optional(Type.String()),
    },
    { additionalProperties: false },
  ),
])

export type SmtpOptions = Static<typeof SmtpOptions>

export type SmtpServer = {
  host: string
  port: number
  /** TLS from the first byte; otherwise STARTTLS where the server offers it. */
  secure: boolean
  login?: { user: string; password: string }
}

/** The server an `smtp://` or `smtps://` address or its parts name. Ports: 587, or 465 with TLS. */
export function readSmtp(smtp: SmtpOptions): SmtpServer {
  const parts = typeof smtp === 'string' ? readUrl(new URL(smtp)) : smtp
  const { host, secure = false, user, password = '' } = parts
  const port = parts.port ?? (secure ? 465 : 587)
  return { host, port, secure, ...(user ? { login: { user, password } } : {}) }
}

/** The mistakes never repeat the address: it may hold a password. */
export function findSmtpMistakes(smtp: SmtpOptions): Mistake[] {
  if (typeof smtp !== 'string') return []
  const url = URL.parse(smtp)
  const isSmtp = url && (url.protocol === 'smtp:' || url.protocol === 'smtps:') && url.hostname
  return isSmtp
    ? []
    : [{ path: 'smtp', message: 'must be an address like smtp://user:password@host:587' }]
}

function readUrl(url: URL): Exclude<SmtpOptions, string> {
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    secure: url.protocol === 'smtps:',
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    ...(url.port ? { port: Number(url.port) } : {}),
  }
}
