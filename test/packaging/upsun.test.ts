import { Ajv } from 'ajv'
import { expect, test } from 'vitest'

import { readProjectFile, readProjectYaml } from './read-project-file.ts'

type UpsunConfig = {
  applications: Record<
    string,
    {
      type: string
      container_profile: string
      build: { flavor: string }
      hooks: { build: string; deploy: string }
      relationships: Record<string, unknown>
      variables: { env: Record<string, string> }
      web: { commands: { start: string; post_start: string } }
      workers: Record<string, { container_profile: string; commands: { start: string } }>
      crons?: object
    }
  >
  services: Record<string, { type: string }>
  routes: Record<string, { type: string; upstream: string }>
}

const config = readProjectYaml('.upsun/config.yaml') as UpsunConfig
const app = config.applications['orderwheel']

test('the Upsun configuration is valid by the schema its command line checks with', () => {
  const schema = JSON.parse(readProjectFile('test/packaging/upsun.schema.json')) as object
  // The schema has keywords of its own for editors.
  const ajv = new Ajv({ strict: false })
  ajv.validate(schema, config)
  expect(ajv.errors).toBeNull()
})

test('the runtime is the Node of package.json, the database PostgreSQL 18', () => {
  const { engines } = JSON.parse(readProjectFile('package.json')) as { engines: { node: string } }
  expect(engines.node).toBe('>=24')
  expect(app?.type).toBe('nodejs:24')
  expect(config.services).toEqual({ postgresql: { type: 'postgresql:18' } })
  expect(app?.relationships).toEqual({ postgresql: null })
})

test('api, relay and worker run, each in a container large enough', () => {
  expect(app?.web.commands.start).toBe('exec node bin/orderwheel.js api')
  expect(app?.workers['relay']?.commands.start).toBe('exec node bin/orderwheel.js relay')
  expect(app?.workers['worker']?.commands.start).toBe('exec node bin/orderwheel.js worker')
  const parts = [app, ...Object.values(app?.workers ?? {})]
  expect(parts.map((part) => part?.container_profile)).toEqual(Array(3).fill('BALANCED'))
})

test('the build installs from the lock file without development, the deployment migrates', () => {
  expect(app?.build.flavor).toBe('none')
  expect(app?.hooks.build).toMatch(/^set -eu\nnpm ci --omit=dev\b/)
  expect(app?.hooks.deploy).toBe('set -eu\nnode bin/orderwheel.js migrate\n')
  expect(app?.variables.env['NODE_ENV']).toBe('production')
})

test('requests come only when the api listens, which does not wait for the migration', () => {
  expect(app?.web.commands.post_start).toContain('http://127.0.0.1:$PORT/livez')
  expect(app?.web.commands.post_start).not.toContain('/readyz')
})

test('every route leads to the application, and no cron blocks a deployment', () => {
  for (const route of Object.values(config.routes)) {
    expect(route).toMatchObject({ type: 'upstream', upstream: 'orderwheel:http' })
  }
  expect(app?.crons).toBeUndefined()
})
