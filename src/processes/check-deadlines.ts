import { findCutShort } from '#deliveries/stop-deadline.ts'

import type { Setting } from './setting.ts'

/** Says at a worker's start which targets' calls may outlast its stop deadline, and what that means. */
export function checkDeadlines({ config, environment, logOf }: Setting, only?: readonly string[]) {
  const log = logOf('worker')
  const targets = config.targets.filter(({ name }) => !only || only.includes(name))
  for (const { targets: cut, reason, severe } of findCutShort(targets, environment.stopSeconds)) {
    if (severe) log.warn({ targets: cut, reason }, 'calls may be cut short by a stop')
    else log.info({ targets: cut, reason }, 'calls may be cut short by a stop')
  }
}
