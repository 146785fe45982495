import { suggestName } from '#base/suggest-name.ts'
import type { Mistake } from '#targets/target-kind.ts'

import { fillInEnvironment, type Environment } from './fill-in-environment.ts'

export type CheckedAlerts = {
  /** Null: nobody is told. */
  alerts: { url: string } | null
  mistakes: Mistake[]
}

/** What is wrong with where alerts are told, and the address with its variables filled in. */
export function checkAlerts(written: unknown, environment: Environment): CheckedAlerts {
  if (written === undefined) return { alerts: null, mistakes: [] }
  if (typeof written !== 'object' || written === null || Array.isArray(written))
    return wrong('alerts', "must be an object: { url: env('ALERT_URL') }")
  const unknown = Object.keys(written).filter((name) => name !== 'url')
  if (unknown[0] !== undefined)
    return wrong(
      `alerts.${unknown[0]}`,
      `is not a setting of alerts${suggestName(unknown[0], ['url'])}`,
    )
  const { filled, missing } = fillInEnvironment({ alerts: written }, environment)
  if (missing.length > 0) return { alerts: null, mistakes: missing }
  const { url } = (filled as { alerts: { url?: unknown } }).alerts
  if (url === '') return { alerts: null, mistakes: [] }
  const parsed = typeof url === 'string' ? URL.parse(url) : null
  return parsed && /^https?:$/.test(parsed.protocol)
    ? { alerts: { url: parsed.href }, mistakes: [] }
    : wrong('alerts.url', 'must be an address such as https://hooks.example.com/services/…')
}

function wrong(path: string, message: string): CheckedAlerts {
  return { alerts: null, mistakes: [{ path, message }] }
}
