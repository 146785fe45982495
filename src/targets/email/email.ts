import { resolve } from 'node:path'

import { Type, type Static } from 'typebox'

import { describeOrder, isTimeZone } from '#targets/describe-order.ts'
import { NoOrder } from '#targets/no-order.ts'
import { giveUp, type MadeFile, type Outcome, tryAgain } from '#targets/outcome.ts'
import { messageOf, storableReason } from '#targets/read-outcome.ts'
import { reasonOf } from '#targets/reason-of.ts'
import {
  kindOfTarget,
  toldOf,
  type FromEnvironment,
  type Mistake,
  type Place,
  type TargetDefinition,
  type Told,
} from '#targets/target-kind.ts'
import { commonOptions, fillTargetOptions } from '#targets/target-options.ts'

import { composeMail, type Mail } from './compose-mail.ts'
import { editedMail, type EditedMail, readMail, writeMailbox } from './edit-mail.ts'
import { loadTemplate, type MailTemplate, renderTemplate } from './mail-template.ts'
import { openSmtp } from './open-smtp.ts'
import { type Mailbox, parseMailbox } from './parse-mailbox.ts'
import { readAttached } from './read-attached.ts'
import { explainMail, sendMail } from './send-mail.ts'
import { findSmtpMistakes, readSmtp, SmtpOptions } from './smtp-options.ts'

const EmailOptions = Type.Object(
  {
    template: Type.String(),
    cancelledTemplate: Type.Optional(Type.String()),
    templatesDirectory: Type.Optional(Type.String()),
    from: Type.String(),
    to: Type.Optional(
      Type.Union([Type.String(), Type.Unsafe<(told: Told) => string>({ type: 'function' })]),
    ),
    smtp: SmtpOptions,
    attach: Type.Optional(Type.Array(Type.String())),
    timeZone: Type.Optional(Type.String()),
    ...commonOptions,
  },
  { additionalProperties: false },
)

type Options = Static<typeof EmailOptions>

/**
 * - `template`: a folder with subject.liquid, html.liquid, text.liquid and strings.<language>.json, in
 *   `templatesDirectory` (from the configuration file's folder) or one of ours: `order-confirmation`.
 * - `cancelledTemplate`: of the mail about `order.cancelled`; ours is `order-cancellation`. Left out, `template`.
 * - `from`: `Shop <orders@shop.example>`; its name is the shop's name in the mail.
 * - `to`: one address, or a function of the order; left out, the customer.
 * - `smtp`: `smtp://user:password@host:587`, `smtps://…:465`, or the parts.
 * - `attach`: targets of `after` whose files go with the mail: `['receipt']`.
 * - `timeZone`: of the dates in the mail, `Europe/Berlin`; left out, UTC.
 */
export type EmailOptions = FromEnvironment<Options>

/**
 * A mail about the order, in the customer's language where the template has it. The Message-ID is the same
 * for every attempt, so that mailboxes can drop a second copy: that is why an unknown outcome is repeated by
 * default, although SMTP itself knows no idempotency. A confirmation twice is better than none; where it is
 * not, say `idempotent: false`.
 */
export function email(options: EmailOptions): TargetDefinition {
  return { kind: 'email', options }
}

export const emailKind = kindOfTarget({
  schema: EmailOptions,
  findMistakes: findEmailMistakes,
  create(name, options, place) {
    const target = fillTargetOptions(options)
    const load = (of: string) => loadTemplate(of, templatesDirectory(options, place))
    const template = load(options.template)
    const cancelled =
      options.cancelledTemplate === undefined ? template : load(options.cancelledTemplate)
    const templateOf = ({ message }: Told) =>
      message.kind === 'order.cancelled' ? cancelled : template
    const smtp = openSmtp(readSmtp(options.smtp), target.timeoutSeconds)
    return {
      ...target,
      name,
      kind: 'email',
      call: async (call): Promise<Outcome> => {
        const told = toldOf(call)
        const template = templateOf(told)
        const content = await writeContent(name, options, { template, told, edited: call.edited })
        if (content instanceof Error) return giveUp(storableReason(content.message))
        const attached = await readAttached(options.attach ?? [], call)
        if (attached instanceof Error) return tryAgain(storableReason(attached.message))
        const { files, missing } = attached
        const mail = await writeMail(name, options, { told, content: { ...content, files } })
        if (mail instanceof Error) return giveUp(storableReason(mail.message))
        const outcome = explainMail(await sendMail(smtp, mail, call.signal), mail)
        return outcome.kind === 'delivered' && missing !== undefined
          ? { ...outcome, reason: storableReason(missing) }
          : outcome
      },
      address: `${smtp.server.host}:${smtp.server.port}`,
      editing: {
        async write(told, edited) {
          const template = templateOf(told)
          const content = await writeContent(name, options, { template, told, edited })
          if (content instanceof Error) return { mistake: `${content.message}.` }
          const mail: EditedMail = { ...content, to: writeMailbox(content.to) }
          return { text: JSON.stringify(mail, null, 2), format: 'json' }
        },
        read: readMail,
      },
      close: () => smtp.close(),
    }
  },
})

type Content = { to: Mailbox; subject: string; text: string; html: string }

type Given = { template: MailTemplate; told: Told; edited: unknown }

/** An error is a mistake in the template or in `to`: the same order would meet it again. */
async function writeContent(
  name: string,
  options: Options,
  { template, told, edited }: Given,
): Promise<Content | Error> {
  try {
    if (told.message.orderId === null) throw new NoOrder(told.message)
    const written = editedMail(edited)
    if (written instanceof Error) return written
    const to = written ? parseMailbox(written.to) : findRecipient(name, options, told)
    if (to === undefined) return new Error(`targets.${name}: to is no address`)
    if (to instanceof Error) return to
    if (written) return { ...written, to }
    const view = describeOrder(told, template.languages, {
      shopName: parseMailbox(options.from)?.name ?? '',
      timeZone: options.timeZone ?? 'UTC',
    })
    const { subject, text, html } = await renderTemplate(template, view)
    return { to, subject, text, html }
  } catch (error) {
    if (error instanceof NoOrder) return new Error(`targets.${name}: ${error.message}`)
    return explainTemplate(options, error)
  }
}

async function writeMail(
  name: string,
  options: Options,
  { told, content }: { told: Told; content: Content & { files: MadeFile[] } },
): Promise<Mail | Error> {
  const from = parseMailbox(options.from)
  if (!from) return new Error(`targets.${name}.from is no address`)
  try {
    return await composeMail({ from, idempotencyKey: told.idempotencyKey, ...content })
  } catch (error) {
    return explainTemplate(options, error)
  }
}

function explainTemplate({ template }: Options, error: unknown): Error {
  // Liquid adds the file's path.
  const reason = reasonOf(error).replace(/, file:[^,]*/, '')
  return new Error(`template ${template}: ${reason}`)
}

function findRecipient(name: string, { to }: Options, told: Told) {
  const { customer } = told.order
  if (to === undefined) return { name: customer.name, address: customer.email }
  try {
    const written: unknown = typeof to === 'function' ? to(told) : to
    const mailbox = typeof written === 'string' ? parseMailbox(written) : undefined
    return mailbox ?? new Error(`targets.${name}.to returned something else than one address`)
  } catch (error) {
    return new Error(`targets.${name}.to threw: ${reasonOf(error)}`)
  }
}

function findEmailMistakes(options: Options, place: Place): Mistake[] {
  const { from, to, smtp, timeZone } = options
  const sayAddress = 'must be one address like Shop <orders@shop.example>'
  return [
    ...(parseMailbox(from) ? [] : [{ path: 'from', message: sayAddress }]),
    ...(typeof to === 'string' && !parseMailbox(to) ? [{ path: 'to', message: sayAddress }] : []),
    ...findSmtpMistakes(smtp),
    ...(timeZone === undefined || isTimeZone(timeZone)
      ? []
      : [{ path: 'timeZone', message: 'must be a time zone like Europe/Berlin' }]),
    ...findTemplateMistakes(options, place),
  ]
}

function findTemplateMistakes(options: Options, place: Place): Mistake[] {
  return (['template', 'cancelledTemplate'] as const).flatMap((path) => {
    const name = options[path]
    if (name === undefined) return []
    try {
      loadTemplate(name, templatesDirectory(options, place))
      return []
    } catch (error) {
      return [{ path, message: messageOf(error) }]
    }
  })
}

function templatesDirectory(options: Options, { directory }: Place): string | undefined {
  const own = options.templatesDirectory
  return own === undefined ? undefined : resolve(directory, own)
}
