import type { Walk } from '#verify/walk.ts'

const everyMs = 2_000

/** Says now and then how far a verification has come. A short one says nothing. */
export function createProgress(warn: (line: string) => void): (walk: Walk) => void {
  let saidAt = performance.now()
  return ({ phase, checked }) => {
    if (performance.now() - saidAt < everyMs) return
    saidAt = performance.now()
    const { orders, messages, deliveries, jobs } = checked
    const rows = [
      [orders, 'orders'],
      [messages, 'messages'],
      [deliveries, 'deliveries'],
      [jobs, 'jobs'],
    ] as const
    const counted = rows
      .filter(([count]) => count > 0)
      .map(([count, of]) => `${format(count)} ${of}`)
    warn(`looking at ${phase}: ${counted.join(', ') || 'nothing yet'} …`)
  }
}

function format(count: number): string {
  return count.toLocaleString('en')
}
