import { printableJson } from '#base/printable.ts'
import { defineCommand, usageError } from '#cli/command.ts'
import { formatTime } from '#cli/format-time.ts'
import { operator } from '#cli/operator.ts'
import { readEnd } from '#cli/read-end.ts'
import { reasonOption, requireReason } from '#cli/read-reason.ts'
import { withDatabase } from '#cli/with-database.ts'
import { pauseTarget, type Paused } from '#limits/pause-target.ts'

import { unknownTarget } from './unknown-target.ts'

const name = 'pause'

export const pause = defineCommand({
  name,
  summary: 'Stops calling a target; what waits for it waits, and costs no attempt',
  usage: '<target> --reason <text> [--for 30m | --until <time>] [--json]',
  positionals: { least: 1, most: 1, missing: 'which target? Give its name' },
  options: {
    reason: reasonOption,
    for: { type: 'string', value: 'duration', summary: 'Ends by itself: 90s, 30m, 2h, 1d' },
    until: {
      type: 'string',
      value: 'time',
      summary: 'Ends by itself: 2026-11-22T14:00:00Z',
    },
    json: { type: 'boolean', summary: 'For programs' },
  },
  async run({ values, positionals: [target = ''] }, { environment, print }) {
    const reason = requireReason(name, values.reason, 'ERP is being upgraded')
    const end = readEnd(name, { for: values.for, until: values.until })
    return withDatabase(environment, async ({ db }) => {
      const paused = await pauseTarget(db, { target, who: operator(), reason, end })
      if (paused.kind === 'unknown-target') throw await unknownTarget(db, target)
      if (paused.kind === 'end-has-passed')
        throw usageError(name, `--until has passed: the database says ${formatTime(paused.now)}`)
      print(
        values.json
          ? printableJson({ target, paused: paused.pause, before: paused.before })
          : describe(target, paused),
      )
      return 0
    })
  },
})

function describe(target: string, { pause, before }: Extract<Paused, { kind: 'paused' }>): string {
  const until = pause.until
    ? `until ${formatTime(pause.until)}`
    : `until somebody runs: orderwheel resume ${target}`
  const was = before
    ? `\nIt was paused already, by ${before.by}: ${before.reason}${before.until ? ` (until ${formatTime(before.until)})` : ''}`
    : ''
  return `${target} is paused ${until}${was}`
}
