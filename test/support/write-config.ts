import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Writes a configuration file whose `order.placed` is routed to these targets, given as source text. */
export async function writeConfig(targets: Record<string, string>) {
  const folder = await mkdtemp(join(tmpdir(), 'orderwheel-config-'))
  const path = join(folder, 'shop.config.ts')
  const entries = Object.entries(targets).map(
    ([name, source]) => `${JSON.stringify(name)}: ${source}`,
  )
  const source = `
    import { audit, custom, defineConfig, email, http } from 'orderwheel'
    export default defineConfig({
      targets: { ${entries.join(', ')} },
      routes: { 'order.placed': ${JSON.stringify(Object.keys(targets))} },
    })`
  await writeFile(path, source)
  return { path, remove: () => rm(folder, { recursive: true }) }
}
