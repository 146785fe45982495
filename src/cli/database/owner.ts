import { printableJson } from '#base/printable.ts'
import { defineCommand, usageError } from '#cli/command.ts'
import { operator } from '#cli/operator.ts'
import { reasonOption, requireReason } from '#cli/read-reason.ts'
import { withDatabase } from '#cli/with-database.ts'
import { readOwner } from '#owner/read-owner.ts'
import { takeOwnership } from '#owner/take-ownership.ts'

import { describeOwner } from './describe-owner.ts'

const name = 'owner'

export const owner = defineCommand({
  name,
  summary: 'Shows whose database this is: a copy of it delivers nothing until somebody takes it',
  usage: '[--take --reason <text>] [--json]',
  options: {
    take: { type: 'boolean', summary: 'Makes this environment the owner: its workers deliver' },
    reason: reasonOption,
    json: { type: 'boolean', summary: 'For programs' },
  },
  async run({ values: { take, reason, json } }, { environment, print }) {
    const { deployment } = environment
    if (!take) {
      if (reason !== undefined) throw usageError(name, '--reason goes with --take')
      const report = await withDatabase(environment, ({ db }) => readOwner(db, deployment))
      print(json ? printableJson(report) : describeOwner(report))
      return report.delivers ? 0 : 1
    }
    const request = {
      deployment,
      who: operator(),
      reason: requireReason(name, reason, 'the old server is gone for good'),
    }
    const taken = await withDatabase(environment, ({ db }) => takeOwnership(db, request))
    print(json ? printableJson(taken) : describeOwner(taken.after))
    return taken.after.delivers ? 0 : 1
  },
})
