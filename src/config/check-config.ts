import { OrderwheelError } from '#base/errors.ts'
import { suggestName } from '#base/suggest-name.ts'
import type { IntakeLimits } from '#messages/intake-limits.ts'
import type { Routes } from '#messages/message-kinds.ts'
import type { OwnKinds } from '#messages/own-kinds.ts'
import { reportRequested, reportRequestKind } from '#messages/report-request.ts'
import type { PaymentGateway } from '#targets/payment/payment-gateway.ts'
import { paymentTargetName } from '#targets/payment/payment-target.ts'
import { createReportsTarget } from '#targets/reports-target.ts'
import type { Mistake, Place } from '#targets/target-kind.ts'
import { targetKinds } from '#targets/target-kinds.ts'
import type { Target } from '#targets/target.ts'

import { checkAlerts } from './check-alerts.ts'
import { fillIntake, findIntakeMistakes } from './check-intake.ts'
import { checkMessages } from './check-messages.ts'
import { checkPayment } from './check-payment.ts'
import { fillRetention, findRetentionMistakes } from './check-retention.ts'
import { checkTarget, type CheckedTarget } from './check-target.ts'
import type { Environment } from './fill-in-environment.ts'
import { findAfterMistakes } from './find-after-mistakes.ts'
import { findAttachMistakes } from './find-attach-mistakes.ts'
import { findCaptureMistakes, paymentWaits } from './find-capture-mistakes.ts'
import { findDroppableMistakes } from './find-droppable-mistakes.ts'
import { findRouteMistakes } from './find-route-mistakes.ts'
import { routePayment } from './route-payment.ts'
import { routeReports } from './route-reports.ts'

/** A configuration without mistakes. */
export type Config = {
  /** Those of the file, `payment` when there is something to tell the gateway, and `reports`. */
  targets: Target[]
  /** Those of the file, and what those two are told of. */
  routes: Routes
  /** Kinds of message that the file declares, and the one that asks for a report. */
  kinds: OwnKinds
  retention: ReturnType<typeof fillRetention>
  /** From when on no further orders, messages and reports are taken. */
  intake: IntakeLimits
  /** Where alerts are told; null: nowhere. */
  alerts: { url: string } | null
  /** Charges orders that come with a token; null: such orders are refused. */
  payment: PaymentGateway | null
}

/**
 * Checks what a configuration file exports against everything it can be checked against without starting.
 * Throws OrderwheelError `config` that lists every mistake; creates the targets when there is none.
 */
export function checkConfig(
  definition: unknown,
  { file, environment, directory }: Place & { file: string; environment: Environment },
): Config {
  if (!isObject(definition)) {
    throw new OrderwheelError(
      'config',
      `${file} must export default defineConfig({ targets, routes })`,
    )
  }
  const place = { directory }
  const written = isObject(definition['targets']) ? definition['targets'] : {}
  const checked = Object.entries(written).map(([name, target]) =>
    checkTarget(name, target, environment, place),
  )
  const writtenRoutes = definition['routes']
  const payment = checkPayment(definition['payment'], environment, Object.keys(written))
  const own = payment.after ? [paymentTargetName] : []
  const names = [...Object.keys(written), ...own]
  const routes = isObject(writtenRoutes)
    ? routePayment(writtenRoutes as Routes, payment.kinds)
    : writtenRoutes
  const { kinds, mistakes: kindMistakes } = checkMessages(definition['messages'])
  const { alerts, mistakes: alertMistakes } = checkAlerts(definition['alerts'], environment)
  const waits = new Map(checked.map(({ name, after }) => [name, after]))
  if (payment.after) waits.set(paymentTargetName, payment.after)
  const mistakes = [
    ...findUnknownSettings(definition),
    ...(isObject(definition['targets']) ? [] : [targetsMissing]),
    ...checked.flatMap((target) => target.mistakes),
    ...findRetentionMistakes(definition['retention']),
    ...findIntakeMistakes(definition['intake']),
    ...kindMistakes,
    ...findRouteMistakes(writtenRoutes, names, Object.keys(membersOf(definition['messages']))),
    ...findAfterMistakes(waits, isObject(routes) ? routes : {}).filter(
      ({ path }) => path !== paymentWaits,
    ),
    ...findAttachMistakes(checked),
    ...findCaptureMistakes(waits, routes),
    ...findDroppableMistakes(checked, waits),
    ...payment.mistakes,
    ...alertMistakes,
  ]
  if (mistakes.length > 0) {
    const missing = [...checked, payment].flatMap((one) => one.missing)
    const onlyMissing = missing.length === mistakes.length
    const advice = onlyMissing ? `\n${howToSet}` : ''
    throw new OrderwheelError('config', sayMistakes(file, mistakes) + advice)
  }
  const paying = payment.create()
  return {
    targets: [
      ...createTargets(checked, place),
      ...(paying && own.length > 0 ? [paying.target] : []),
      createReportsTarget(),
    ],
    payment: paying?.gateway ?? null,
    routes: routeReports(routes as Routes),
    kinds: new Map([...kinds, [reportRequested, reportRequestKind()]]),
    retention: fillRetention(definition['retention']),
    intake: fillIntake(definition['intake']),
    alerts,
  }
}

const howToSet =
  'Copy .env.example to .env and fill it in; "npm start" fills in those of the shipped file by itself, and beside it eval "$(npx orderwheel simulate --variables)" does.'

const settings = ['targets', 'messages', 'routes', 'payment', 'retention', 'intake', 'alerts']
const targetsMissing = { path: 'targets', message: 'must be an object of targets by name' }

function findUnknownSettings(definition: object): Mistake[] {
  return Object.keys(definition)
    .filter((name) => !settings.includes(name))
    .map((name) => ({
      path: name,
      message: `is not a setting of defineConfig()${suggestName(name, settings)}`,
    }))
}

function sayMistakes(file: string, mistakes: Mistake[]): string {
  const count = mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`
  const lines = mistakes.map(({ path, message }) => `  ${path}: ${message}`)
  return `${file} has ${count}:\n${lines.join('\n')}`
}

function createTargets(checked: CheckedTarget[], place: Place): Target[] {
  return checked.flatMap(({ name, kind, options }) => {
    return kind ? [targetKinds[kind].create(name, options, place)] : []
  })
}

function membersOf(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {}
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
