import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { HttpOptions } from '#targets/http/http.ts'

import { connectionString, type OrderwheelProcess, startOrderwheel } from './start-process.ts'
import type { TestShop } from './test-shop.ts'

/**
 * Starts so many real worker processes whose ERP is at `url`, and answers when all have started. Their calls say
 * who makes them (`x-worker`, the pid) and when they began (`x-begun-at`).
 */
export async function startWorkers(
  shop: TestShop,
  { url, count, options }: { url: string; count: number; options: Omit<HttpOptions, 'url'> },
) {
  const folder = await mkdtemp(join(tmpdir(), 'orderwheel-workers-'))
  const file = join(folder, 'orderwheel.config.ts')
  await writeFile(file, configuration(url, options))
  const processes = Array.from({ length: count }, () =>
    startOrderwheel(['worker'], {
      DATABASE_URL: connectionString(shop.connection),
      ORDERWHEEL_CONFIG: file,
    }),
  )
  const stop = async () => {
    await Promise.all(processes.map((worker) => worker.stop()))
    await rm(folder, { recursive: true })
  }
  try {
    await Promise.all(processes.map((worker) => worker.said(/worker started/)))
  } catch (error) {
    await stop()
    throw error
  }
  return { processes, pidOf, stop }
}

export type Workers = Awaited<ReturnType<typeof startWorkers>>

function pidOf({ child }: OrderwheelProcess): string {
  return String(child.pid)
}

function configuration(url: string, options: Omit<HttpOptions, 'url'>): string {
  return `
import { defineConfig, http } from 'orderwheel'

const headers = () => ({
  'x-worker': String(process.pid),
  'x-begun-at': String(process.hrtime.bigint()),
})
export default defineConfig({
  targets: { erp: http({ url: '${url}', headers, ...${JSON.stringify(options)} }) },
  routes: { 'order.placed': ['erp'] },
})
`
}
