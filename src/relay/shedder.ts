import type { Tx } from '#database/open-database.ts'
import {
  type Backlog,
  countOpen,
  recordShed,
  type Shed,
  type SheddingChange,
} from '#limits/shedding.ts'
import type { Target } from '#targets/target.ts'

/** What one process knows of the backlogs of its droppable targets. */
export type Shedder = {
  /**
   * Says of deliveries about to be written how many of each target's are to be told; the rest is shed. Asks the
   * database only when it does not know of room for all of them.
   */
  admit(tx: Tx, wanted: ReadonlyMap<string, number>): Promise<Admitted>
}

export type Admitted = {
  /** How many may be told; everything of a target that is not in it. */
  told: ReadonlyMap<string, number>
  /** Writes down what was shed, at the end of the transaction. */
  record(): Promise<SheddingChange[]>
}

type Known = { room: number; sheds: boolean; countedAt: number }

// What several relays add between two counts is what they may be over the limit by.
const knownForMs = 5_000
// While it sheds, how soon it is noticed that it need not any more.
const shedsForMs = 1_000

/**
 * A target begins to shed when as many deliveries are open as its limit, and ends when half as many are. In between,
 * room that was counted is used up without counting again.
 */
export function createShedder(
  targets: readonly Pick<Target, 'name' | 'droppable'>[],
  who: string,
): Shedder {
  const limits = new Map(
    targets.flatMap(({ name, droppable }) => (droppable ? [[name, droppable.maxOpen]] : [])),
  )
  const known = new Map<string, Known>()

  function isToBeCounted(target: string, count: number): boolean {
    const last = known.get(target)
    if (!last) return true
    const age = performance.now() - last.countedAt
    return last.sheds ? age > shedsForMs : age > knownForMs || last.room < count
  }

  /** Answers whether it is over. */
  function learn({ target, open, sheds }: Backlog): boolean {
    const maxOpen = limits.get(target) ?? 0
    const goesOn = sheds ? open > maxOpen / 2 : open >= maxOpen
    const room = goesOn ? 0 : maxOpen - open
    known.set(target, { room, sheds: goesOn, countedAt: performance.now() })
    return sheds && !goesOn
  }

  /** Answers how many of `count` are told. */
  function use(target: string, count: number): number {
    const last = known.get(target)
    if (!last) return count
    const told = Math.min(count, last.room)
    known.set(target, { ...last, room: last.room - told, sheds: last.sheds || told < count })
    return told
  }

  return {
    async admit(tx, wanted) {
      const asked = [...wanted].filter(([target]) => limits.has(target))
      const counted = asked
        .filter(([target, count]) => isToBeCounted(target, count))
        .map(([target]) => ({ target, maxOpen: limits.get(target) ?? 0 }))
      const backlogs = counted.length === 0 ? [] : await countOpen(tx, counted)
      const isCounted = new Set(backlogs.map(({ target }) => target))
      const over = new Set(backlogs.filter(learn).map(({ target }) => target))
      const remembered = new Set(
        asked.flatMap(([target]) =>
          known.get(target)?.sheds && !isCounted.has(target) ? [target] : [],
        ),
      )
      const told = new Map(asked.map(([target, count]) => [target, use(target, count)]))
      const shed = asked
        .map(([target, wantedOf]): Shed => {
          const count = wantedOf - (told.get(target) ?? 0)
          return { target, count, begins: !remembered.has(target), ends: over.has(target) }
        })
        .filter(({ count, ends }) => count > 0 || ends)
      return { told, record: () => recordShed(tx, shed, who) }
    },
  }
}
