#!/usr/bin/env node
// Plain JavaScript: an older Node, which cannot read TypeScript, starts here too.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cli = new URL('../src/processes/cli.ts', import.meta.url)

if (Number.parseInt(process.versions.node, 10) >= 24) await import(cli)
else runWith(findNode24())

/** npm's package `node` is a Node 24 beside us, in an installation with development dependencies. */
function findNode24() {
  try {
    const require = createRequire(import.meta.url)
    const node = join(dirname(require.resolve('node/package.json')), 'bin', 'node')
    if (existsSync(node)) return node
  } catch {
    // Not installed: said below.
  }
  console.error(
    `Orderwheel needs Node 24 or newer, and this is ${process.versions.node}: install it, or run "npm ci --include=dev", which brings one.`,
  )
  return process.exit(1)
}

function runWith(node) {
  const child = spawn(node, [fileURLToPath(cli), ...process.argv.slice(2)], { stdio: 'inherit' })
  // A terminal sends Ctrl-C to both; the child takes two signals in quick succession for one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    console.error(`Orderwheel could not start ${node}: ${error.message}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}
