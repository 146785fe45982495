import type { ClaimedDelivery } from './claim-deliveries.ts'

// Once is bad luck: a worker is killed now and then, and all that it held with it.
const suspectFrom = 2

/**
 * Whether a delivery may be what takes its workers down: the last two that had it died. It is called alone of its
 * kind in a process, so that the next one to die says whose fault it was.
 */
export function isSuspect({ lostInARow }: Pick<ClaimedDelivery, 'lostInARow'>): boolean {
  return lostInARow >= suspectFrom
}

/** Whether its worker died while it was being called alone as a suspect. */
export function isPoison({ lostInARow }: Pick<ClaimedDelivery, 'lostInARow'>): boolean {
  return lostInARow > suspectFrom
}

/** What deliveries.lost_in_a_row is while a suspect is being called. */
export const calledAlone = suspectFrom + 1

/**
 * Counts on from what its row says, when so many fetches came to nothing that anybody wrote down: how many in a row
 * that makes, and how many of them were calls. A suspect is marked before it is called: unless it was, it was not,
 * and only waited for its turn in a worker that died of something else.
 */
export function countLost(row: { lostInARow: number; unrecorded: number }): {
  lost: number
  lostInARow: number
} {
  const { lostInARow, unrecorded } = row
  if (unrecorded === 0) return { lost: 0, lostInARow: Math.min(lostInARow, suspectFrom) }
  if (lostInARow > suspectFrom) return { lost: unrecorded, lostInARow }
  if (lostInARow === suspectFrom) return { lost: 0, lostInARow }
  return { lost: unrecorded, lostInARow: Math.min(lostInARow + unrecorded, suspectFrom) }
}
