import { resolve } from 'node:path'

import { Type, type Static } from 'typebox'

import { composeMail, type Mail } from './compose-mail.ts'
import { describeOrder, isTimeZone } from './describe-order.ts'
import { loadTemplate, renderTemplate } from './mail-template.ts'
import { openSmtp } from './open-smtp.ts'
import { giveUp, type Outcome } from './outcome.ts'
import { parseMailbox } from './parse-mailbox.ts'
import { messageOf, storableReason } from './read-outcome.ts'
import { reasonOf } from './reason-of.ts'
import { explainMail, sendMail } from './send-mail.ts'
import { findSmtpMistakes, readSmtp, SmtpOptions } from './smtp-options.ts'
import {
  kindOfTarget,
  toldOf,
  type FromEnvironment,
  type Mistake,
  type Place,
  type TargetDefinition,
  type Told,
} from './target-kind.ts'
import { commonOptions, fillTargetOptions } from './target-options.ts'

const EmailOptions = Type.Object(
  {
    template: Type.String(),
    templatesDirectory: Type.Optional(Type.String()),
    from: Type.String(),
    to: Type.Optional(
      Type.Union([Type.String(), Type.Unsafe<(told: Told) => string>({ type: 'function' })]),
    ),
    smtp: SmtpOptions,
    timeZone: Type.Optional(Type.String()),
    ...commonOptions,
  },
  { additionalProperties: false },
)

type Options = Static<typeof EmailOptions>

/**
 * - `template`: a folder with subject.liquid, html.liquid, text.liquid and strings.<language>.json, in
 *   `templatesDirectory` (from the configuration file's folder) or one of ours: `order-confirmation`.
 * - `from`: `Shop <orders@shop.example>`; its name is the shop's name in the mail.
 * - `to`: one address, or a function of the order; left out, the customer.
 * - `smtp`: `smtp://user:password@host:587`, `smtps://…:465`, or the parts.
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
    const template = loadTemplate(options.template, templatesDirectory(options, place))
    const smtp = openSmtp(readSmtp(options.smtp), target.timeoutSeconds)
    return {
      ...target,
      name,
      kind: 'email',
      call: async (call): Promise<Outcome> => {
        const mail = await writeMail(name, options, template, toldOf(call))
        if (mail instanceof Error) return giveUp(storableReason(mail.message))
        return explainMail(await sendMail(smtp, mail, call.signal))
      },
      close: () => smtp.close(),
    }
  },
})

/** An error is a mistake in the template or in `to`: the same order would meet it again. */
async function writeMail(
  name: string,
  options: Options,
  template: ReturnType<typeof loadTemplate>,
  told: Told,
): Promise<Mail | Error> {
  const from = parseMailbox(options.from)
  const to = findRecipient(name, options, told)
  if (to instanceof Error) return to
  if (!from) return new Error(`targets.${name}.from is no address`)
  try {
    const view = describeOrder(told, template.languages, {
      shopName: from.name,
      timeZone: options.timeZone ?? 'UTC',
    })
    const content = await renderTemplate(template, view)
    return await composeMail({ from, to, idempotencyKey: told.idempotencyKey, ...content })
  } catch (error) {
    // Liquid adds the file's path.
    const reason = reasonOf(error).replace(/, file:[^,]*/, '')
    return new Error(`template ${options.template}: ${reason}`)
  }
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
  try {
    loadTemplate(options.template, templatesDirectory(options, place))
    return []
  } catch (error) {
    return [{ path: 'template', message: messageOf(error) }]
  }
}

function templatesDirectory(options: Options, { directory }: Place): string | undefined {
  const own = options.templatesDirectory
  return own === undefined ? undefined : resolve(directory, own)
}
