import type { Mistake } from '#targets/target-kind.ts'
import { fillTargetOptions } from '#targets/target-options.ts'

/** Waits that grow up to a longest one which is shorter than the first, with the defaults filled in. */
export function findWaitMistakes(options: unknown): Mistake[] {
  const { retry, circuit } = fillTargetOptions(options as object)
  return [
    ...findShorter('retry', retry, 'delaySeconds', 'maxDelaySeconds'),
    ...(circuit
      ? findShorter('circuit', circuit, 'probeAfterSeconds', 'maxProbeAfterSeconds')
      : []),
  ]
}

function findShorter<Name extends string>(
  option: string,
  waits: Record<Name, number>,
  first: NoInfer<Name>,
  longest: NoInfer<Name>,
): Mistake[] {
  if (waits[longest] >= waits[first]) return []
  const message =
    `is ${waits[longest]}, less than ${option}.${first}, which is ${waits[first]}; ` +
    `make it ${waits[first]} or more`
  return [{ path: `${option}.${longest}`, message }]
}
