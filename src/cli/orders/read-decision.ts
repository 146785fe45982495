import { usageError } from '#cli/command.ts'
import { readReason, reasonOption, requireReason } from '#cli/read-reason.ts'
import { type Decision, decisions } from '#deliveries/decision.ts'

/** The options by which an operator decides on a dead or uncertain delivery. */
export const decisionOptions = {
  'mark-delivered': { type: 'boolean', summary: 'The target was told, whatever it answered' },
  'try-again': { type: 'boolean', summary: 'It is called again, with all its attempts' },
  skip: { type: 'boolean', summary: 'It is not told; what waits for it goes on. Needs --reason' },
  target: { type: 'string', value: 'target', summary: 'Which, when there are several to decide' },
  reason: reasonOption,
} as const

export const decisionUsage =
  '[--mark-delivered | --try-again | --skip] [--target <target>] [--reason <text>] [--json]'

type Values = Partial<Record<Decision, boolean | undefined>> & {
  target?: string | undefined
  reason?: string | undefined
}

/** What was decided; undefined: nothing, it is only to be shown. Throws `usage`. */
export function readDecision(
  name: string,
  values: Values,
): { decision: Decision; target: string | undefined; reason: string | null } | undefined {
  const [decision, another] = decisions.filter((decision) => values[decision])
  if (another) throw usageError(name, `it takes --${decision} or --${another}, not both`)
  if (decision === undefined) {
    const needless = (['target', 'reason'] as const).find((option) => values[option] !== undefined)
    if (needless)
      throw usageError(name, `--${needless} is for --mark-delivered, --try-again and --skip`)
    return undefined
  }
  const reason =
    decision === 'skip'
      ? requireReason(name, values.reason, 'told by telephone')
      : readReason(name, values.reason)
  return { decision, target: values.target, reason }
}
