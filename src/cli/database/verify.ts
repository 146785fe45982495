import { setTimeout } from 'node:timers/promises'

import { OrderwheelError } from '#base/errors.ts'
import { printableJson } from '#base/printable.ts'
import { suggestName } from '#base/suggest-name.ts'
import { defineCommand, usageError, type Context } from '#cli/command.ts'
import { operator } from '#cli/operator.ts'
import { withQueues } from '#cli/with-queues.ts'
import type { Db } from '#database/open-database.ts'
import {
  type Claim,
  claimVerification,
  releaseClaim,
  whoVerifies,
} from '#verify/claim-verification.ts'
import { findingKinds, isFindingKind, type FindingKind } from '#verify/finding.ts'
import type { Verification } from '#verify/read-verification.ts'
import { verify as run } from '#verify/verify.ts'

import { describeVerification } from './describe-verification.ts'
import { repairFindings, type Repairs } from './repair-findings.ts'
import { createProgress } from './show-progress.ts'

const name = 'verify'

export const verify = defineCommand({
  name,
  summary: 'Reconciles every order with what became of it, and mends what can be mended',
  usage: '[--full] [--repair [--only <finding>]] [--json]',
  options: {
    full: {
      type: 'boolean',
      summary: 'Everything, not only what is open or came since the last time',
    },
    repair: { type: 'boolean', summary: 'Mends what can be mended safely, and writes down what' },
    only: { type: 'string', value: 'finding', summary: 'Repairs only this kind: job-missing …' },
    json: { type: 'boolean', summary: 'For programs' },
  },
  async run({ values }, context) {
    const only = readOnly(values.only, values.repair ?? false)
    return withQueues(context.environment, async (queues) => {
      const look = (isFull: boolean) => verifyInTurn(queues.db, isFull, context)
      let found = await look(values.full ?? false)
      let repairs: Repairs | undefined
      if (values.repair && found.findings.length > 0) {
        repairs = await repairFindings({ ...queues, context }, { found, only })
        found = await look(false)
      }
      context.print(
        values.json
          ? printableJson({ ...found, ...(repairs && { repairs }) })
          : describeVerification(found, repairs),
      )
      return found.lost + found.stuck + found.disorders > 0 ? 1 : 0
    })
  },
})

function readOnly(only: string | undefined, repair: boolean): FindingKind | undefined {
  if (only === undefined) return undefined
  if (!repair) throw usageError(name, '--only is for --repair')
  if (isFindingKind(only)) return only
  const kinds = Object.keys(findingKinds)
  throw usageError(
    name,
    `there is no finding "${only}"${suggestName(only, kinds) || `: ${kinds.join(', ')}`}`,
  )
}

/** Verifies as soon as nobody else does. */
async function verifyInTurn(
  db: Db,
  isFull: boolean,
  { warn }: Pick<Context, 'warn'>,
): Promise<Verification> {
  const progress = createProgress(warn)
  const claim = await waitForTurn(db, warn)
  try {
    return await run(
      db,
      { isFull, requestedBy: operator() },
      { claim, signal: new AbortController().signal, onStep: progress },
    )
  } finally {
    await releaseClaim(db, claim)
  }
}

// One by a relay goes on for a minute or two; only another command's full one takes longer.
const patienceSeconds = 600

async function waitForTurn(db: Db, warn: (line: string) => void): Promise<Claim> {
  const begun = performance.now()
  let said = false
  for (;;) {
    const claim = await claimVerification(db, operator())
    if (claim) return claim
    const who = (await whoVerifies(db)) ?? 'somebody'
    if (performance.now() - begun > patienceSeconds * 1_000)
      throw new OrderwheelError(
        'already-running',
        `${who} has been verifying this database for ${patienceSeconds} s: try again when that has ended.`,
      )
    if (!said) warn(`${who} is verifying at the moment, waiting …`)
    said = true
    await setTimeout(500)
  }
}
