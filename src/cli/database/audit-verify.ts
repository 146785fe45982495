import { type VerifyChain, verifyChain } from '#audit/verify-chain.ts'
import { printableJson } from '#base/printable.ts'
import { defineCommand, usageError } from '#cli/command.ts'
import { withDatabase } from '#cli/with-database.ts'

import { describeChain } from './describe-chain.ts'

const name = 'audit verify'

export const verify = defineCommand({
  name,
  summary: 'Proves that the audit chain, and what it is about, is as it was entered',
  usage: '[--since <position>] [--expect <position:hash>] [--json]',
  options: {
    since: {
      type: 'string',
      value: 'position',
      summary: 'Only what was entered after it, when all before was verified',
    },
    expect: {
      type: 'string',
      value: 'hash',
      summary: 'What an earlier verification printed: it has to be in the chain still',
    },
    json: { type: 'boolean', summary: 'For programs' },
  },
  async run({ values: { since, expect, json } }, { environment, print, warn }) {
    const asked: VerifyChain = {
      since: readPosition(since ?? '0'),
      ...(expect !== undefined && { expect: readExpected(expect) }),
      onProgress: sayProgress(warn),
    }
    return withDatabase(environment, async ({ db }) => {
      const report = await verifyChain(db, asked)
      print(json ? printableJson(report) : describeChain(report))
      return report.found > 0 ? 1 : 0
    })
  },
})

function readPosition(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw usageError(name, `--since is "${text}": write the position of an entry, a whole number`)
}

function readExpected(text: string): NonNullable<VerifyChain['expect']> {
  const [, position, hash = ''] = /^(?:(\d{1,15}):)?([0-9a-f]{64})$/i.exec(text.trim()) ?? []
  if (hash !== '')
    return { hash: hash.toLowerCase(), position: position === undefined ? null : Number(position) }
  throw usageError(
    name,
    `--expect is "${text}": write what orderwheel audit verify printed, position:hash or the 64 digits of the hash`,
  )
}

const everyMs = 2_000

function sayProgress(warn: (line: string) => void) {
  let saidAt = performance.now()
  return (entries: number, of: number) => {
    if (performance.now() - saidAt < everyMs) return
    saidAt = performance.now()
    warn(`looked at ${entries.toLocaleString('en')} of ${of.toLocaleString('en')} entries …`)
  }
}
