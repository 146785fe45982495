import { printable, printableJson } from '#base/printable.ts'
import { defineCommand } from '#cli/command.ts'
import { formatTime } from '#cli/format-time.ts'
import { operator } from '#cli/operator.ts'
import { readReason, reasonOption } from '#cli/read-reason.ts'
import { withDatabase } from '#cli/with-database.ts'
import { resumeTarget } from '#limits/resume-target.ts'

import { unknownTarget } from './unknown-target.ts'

const name = 'resume'

export const resume = defineCommand({
  name,
  summary: 'Calls a paused target again',
  usage: '<target> [--reason <text>] [--json]',
  positionals: { least: 1, most: 1, missing: 'which target? Give its name' },
  options: { reason: reasonOption, json: { type: 'boolean', summary: 'For programs' } },
  async run({ values, positionals: [target = ''] }, { environment, print, warn }) {
    const reason = readReason(name, values.reason)
    return withDatabase(environment, async ({ db }) => {
      const resumed = await resumeTarget(db, { target, who: operator(), reason })
      switch (resumed.kind) {
        case 'unknown-target':
          throw await unknownTarget(db, target)
        case 'not-paused': {
          const ended = resumed.over?.until
            ? `: its pause ended by itself at ${formatTime(resumed.over.until)}`
            : ''
          warn(`${target} is not paused${ended}.`)
          return 1
        }
        case 'resumed': {
          const { by, since, reason: why } = resumed.before
          if (values.json) print(printableJson({ target, before: resumed.before }))
          else
            print(
              printable(
                `${target} is called again. It was paused by ${by} at ${formatTime(since)}: ${why}`,
              ),
            )
          return 0
        }
        default:
          return resumed satisfies never
      }
    })
  },
})
