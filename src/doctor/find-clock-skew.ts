import { sql } from 'kysely'

import type { Examination, Patient } from './examination.ts'

export const clockSkew: Examination = {
  subject: 'this machine’s clock against the database’s',
  async examine(patient) {
    const { seconds, uncertain } = await measure(patient)
    if (Math.abs(seconds) - uncertain <= mostSeconds) return { findings: [] }
    const direction = seconds > 0 ? 'behind' : 'ahead of'
    return {
      findings: [
        {
          kind: 'clock-skew',
          severity: 'warning',
          what: `This machine's clock is ${Math.abs(seconds).toFixed(1)} s ${direction} the database's (± ${uncertain.toFixed(3)} s).`,
          why: 'Times in logs do not match those in the database, and signed webhooks are refused when they are minutes off.',
          fix: 'timedatectl set-ntp true # on this machine and on the database’s',
        },
      ],
    }
  },
}

const mostSeconds = 1
const measurements = 5

/** The answer was made somewhere between question and answer: the shortest way there and back says it best. */
async function measure({ db, now }: Patient): Promise<{ seconds: number; uncertain: number }> {
  let best = { seconds: 0, uncertain: Infinity }
  for (let count = 0; count < measurements; count += 1) {
    const askedAt = performance.now()
    const machineMs = now()
    const { rows } = await sql<{ ms: number }>`
      select extract(epoch from clock_timestamp())::float8 * 1000 as ms`.execute(db)
    const halfMs = (performance.now() - askedAt) / 2
    const seconds = ((rows[0]?.ms ?? machineMs) - (machineMs + halfMs)) / 1_000
    if (halfMs / 1_000 < best.uncertain) best = { seconds, uncertain: halfMs / 1_000 }
  }
  return best
}
