import { dirname, resolve } from 'node:path'

import { OrderwheelError } from '#base/errors.ts'
import type { Routes } from '#messages/message-kinds.ts'
import { paymentTargetName } from '#targets/payment/payment-target.ts'
import { createReportsTarget } from '#targets/reports-target.ts'
import { fillTargetOptions } from '#targets/target-options.ts'
import type { TargetOptions } from '#targets/target.ts'

import { checkPayment } from './check-payment.ts'
import { checkTarget } from './check-target.ts'
import type { Environment } from './fill-in-environment.ts'
import { findRouteMistakes } from './find-route-mistakes.ts'
import { importDefinition } from './load-config.ts'
import { routePayment } from './route-payment.ts'
import { routeReports } from './route-reports.ts'

export type ConfigOutline = { targets: (TargetOptions & { name: string })[]; routes: Routes }

/**
 * What a configuration file says of its targets and routes when variables it names are not set, since they may be
 * secrets that are not here: nothing can be called with it. Undefined: there is no such file, or it has mistakes of
 * another kind.
 */
export async function outlineConfig({
  path,
  environment,
}: {
  path: string
  environment: Environment
}): Promise<ConfigOutline | undefined> {
  const {
    targets: written,
    messages,
    routes,
    payment: definition,
  } = membersOf(await importDefinition(path).catch(noDefinition))
  const place = { directory: dirname(resolve(path)) }
  const targets = Object.entries(membersOf(written)).map(([name, target]) =>
    checkTarget(name, target, environment, place),
  )
  const payment = checkPayment(definition, environment, Object.keys(membersOf(written)))
  const own = payment.after ? [{ name: paymentTargetName, options: { after: payment.after } }] : []
  const all = [...targets, ...own]
  const names = all.map(({ name }) => name)
  const isWrong = [...targets, payment].some(
    ({ mistakes, missing }) => mistakes.length > missing.length,
  )
  if (isWrong || findRouteMistakes(routes, names, Object.keys(membersOf(messages))).length > 0)
    return undefined
  return {
    targets: [
      ...all.map(({ name, options }) => ({ name, ...fillTargetOptions(membersOf(options)) })),
      createReportsTarget(),
    ],
    routes: routeReports(routePayment(routes as Routes, payment.kinds)),
  }
}

function noDefinition(error: unknown): undefined {
  if (!(error instanceof OrderwheelError)) throw error
}

function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
