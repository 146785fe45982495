import { sql } from 'kysely'

import type { CircuitState, TargetChange } from '#database/tables.ts'

import { eventually } from './eventually.ts'
import type { TestShop } from './test-shop.ts'

/** A target's circuit, as all workers see it. */
export async function circuitOf({ db }: TestShop, target = 'erp') {
  const { rows } = await sql<{ state: CircuitState; epoch: number; probeInSeconds: number }>`
    select circuit as state, circuit_epoch::int as epoch,
           coalesce(extract(epoch from probe_at - now()), 0)::float8 as "probeInSeconds"
      from orderwheel.targets where name = ${target}`.execute(db)
  const [circuit] = rows
  if (!circuit) throw new Error(`${target} is not declared`)
  return circuit
}

/** Lets the time until the next probe pass and waits for what it found; answers how many seconds passed. */
export async function passProbe(shop: TestShop, target = 'erp'): Promise<number> {
  const open = await eventually(async () => {
    const circuit = await circuitOf(shop, target)
    return circuit.state === 'open' && circuit
  })
  const seconds = Math.max(0, open.probeInSeconds) + 0.01
  await shop.letTimePass(seconds)
  // Probing, and then open again or ramping.
  await eventually(async () => (await circuitOf(shop, target)).epoch >= open.epoch + 2)
  return seconds
}

export type ToldChange = { change: TargetChange; reason: string | null; seconds: number }

/** What happened to a target, oldest first, with the seconds since the change before. */
export async function changesOf({ db }: TestShop, target = 'erp'): Promise<ToldChange[]> {
  const { rows } = await sql<ToldChange>`
    select change, reason,
           coalesce(extract(epoch from at - lag(at) over (order by id)), 0)::float8 as seconds
      from orderwheel.target_changes where target = ${target} order by id`.execute(db)
  return rows
}

/** Attempts that counted beyond the one each delivery needs. */
export async function wastedAttempts({ db }: TestShop): Promise<number> {
  const { rows } = await sql<{ wasted: number }>`
    select coalesce(sum(greatest(0, attempts - uncharged - 1)), 0)::int as wasted
      from orderwheel.deliveries`.execute(db)
  return rows[0]?.wasted ?? Number.NaN
}
