import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

const folder = fileURLToPath(new URL('../peers', import.meta.url))

/** Installs what scenarios compare with, as locked in bench/peers, unless it is there. */
export function installPeers(progress: (text: string) => void): void {
  if (existsSync(`${folder}/node_modules/.package-lock.json`)) return
  progress('installing the peers we compare with (npm ci --prefix bench/peers)')
  execFileSync('npm', ['ci', '--prefix', folder, '--no-audit', '--no-fund'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

/** A peer's module. `T` is the little of it that a contender uses: it is not there when types are checked. */
export async function loadPeer<T>(name: string): Promise<T> {
  const path = createRequire(`${folder}/package.json`).resolve(name)
  const module = (await import(pathToFileURL(path).href)) as T
  return module
}
