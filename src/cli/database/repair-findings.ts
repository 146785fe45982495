import type { Context } from '#cli/command.ts'
import { operator } from '#cli/operator.ts'
import { loadConfig } from '#config/load-config.ts'
import type { Db } from '#database/open-database.ts'
import { isTransient } from '#database/transient-error.ts'
import type { Boss } from '#queues/open-boss.ts'
import type { FindingKind } from '#verify/finding.ts'
import type { Verification } from '#verify/read-verification.ts'
import { type RepairDeps, repairFinding } from '#verify/repair.ts'

export type Repairs = {
  mended: number
  /** Mended meanwhile, by itself or somebody else. */
  gone: number
  /** For a person to look at. */
  left: number
  failed: string[]
}

/** Mends what was found, one after the other; one that cannot be mended does not keep the others from it. */
export async function repairFindings(
  { db, boss, context }: { db: Db; boss: Boss; context: Context },
  { found, only }: { found: Verification; only: FindingKind | undefined },
): Promise<Repairs> {
  const meant = found.findings.filter(({ kind }) => only === undefined || kind === only)
  const deps = { db, boss, who: operator(), afterOf: await readAfter(meant, context) }
  const repairs: Repairs = { mended: 0, gone: 0, left: 0, failed: [] }
  for (const finding of meant) {
    try {
      const { kind } = await repairFinding(deps, finding)
      if (kind === 'mended') repairs.mended += 1
      else if (kind === 'gone') repairs.gone += 1
      else repairs.left += 1
    } catch (error) {
      if (isTransient(error)) throw error
      const reason = error instanceof Error ? error.message : String(error)
      repairs.failed.push(`${finding.order ?? finding.messageId} ${finding.kind}: ${reason}`)
    }
  }
  return repairs
}

/** The configuration is only needed to write a delivery anew, and takes every variable that it names. */
async function readAfter(
  meant: Verification['findings'],
  { environment }: Context,
): Promise<RepairDeps['afterOf']> {
  if (!meant.some(({ kind }) => kind === 'delivery-missing')) return () => undefined
  const config = await loadConfig({
    path: environment.configFile,
    environment: environment.variables,
  })
  const after = new Map(config.targets.map((target) => [target.name, target.after]))
  await Promise.all(config.targets.map((target) => target.close()))
  return (target) => after.get(target)
}
