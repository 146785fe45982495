import { setTimeout } from 'node:timers/promises'

import { custom, defineConfig, http } from 'orderwheel'

// What differs between scenarios comes from the environment:
// BENCH_TARGETS      names, with commas between them, routed for order.placed. Default noop
// BENCH_CONCURRENCY  calls at a time of each. Default 100
// BENCH_SINK_URL     where the target `sink` sends orders
// BENCH_SLOW_MS      how long the target `slow` takes. Default 8000
// Every other name is a target that does nothing.
const names = (process.env['BENCH_TARGETS'] ?? 'noop').split(',')
const concurrency = Number(process.env['BENCH_CONCURRENCY'] ?? 100)
const slowMs = Number(process.env['BENCH_SLOW_MS'] ?? 8_000)

export default defineConfig({
  targets: Object.fromEntries(names.map((name) => [name, targetOf(name)])),
  routes: { 'order.placed': names },
})

function targetOf(name: string) {
  if (name === 'sink') {
    const url = process.env['BENCH_SINK_URL'] ?? ''
    return http({ url, body: ({ order }) => order, concurrency })
  }
  if (name === 'slow')
    return custom(({ signal }) => setTimeout(slowMs, undefined, { signal }), { concurrency })
  return custom(async () => {}, { concurrency })
}
