import { expect, test } from 'vitest'

import { listEnvironment } from '#config/list-environment.ts'

import shop from '../../orderwheel.config.ts'
import { readProjectFile, readProjectYaml } from './read-project-file.ts'

type Service = {
  image: string
  command?: string[]
  environment: Record<string, string>
  profiles?: string[]
  ports?: string[]
  volumes?: string[]
  restart: string
  healthcheck?: { disable?: boolean; test?: string[] }
  depends_on?: Record<string, { condition: string }>
  stop_grace_period: string
}

const { services } = readProjectYaml('compose.yaml') as { services: Record<string, Service> }

test('one image is every process', () => {
  const commands = Object.values(services)
    .filter(({ image }) => image === 'orderwheel')
    .map(({ command }) => command?.join(' '))
  expect(commands).toEqual(['migrate', 'api', 'relay', 'worker', 'simulate'])
})

test('the processes start when the migration is done, and it when PostgreSQL answers', () => {
  expect(services['migrate']?.depends_on).toEqual({ postgres: { condition: 'service_healthy' } })
  for (const name of ['api', 'relay', 'worker']) {
    expect(services[name]?.depends_on).toEqual({
      migrate: { condition: 'service_completed_successfully' },
    })
  }
})

test('the data of PostgreSQL 18 survives a new container', () => {
  expect(services['postgres']?.image).toBe('postgres:18')
  expect(services['postgres']?.volumes).toEqual(['postgres:/var/lib/postgresql'])
})

test('what breaks is started again, but a migration that keeps failing stops', () => {
  for (const [name, { restart }] of Object.entries(services)) {
    expect([name, restart]).toEqual([name, name === 'migrate' ? 'on-failure:5' : 'unless-stopped'])
  }
})

test('health is checked where there is something to ask', () => {
  const disabled = Object.entries(services).filter(([, { healthcheck }]) => healthcheck?.disable)
  expect(disabled.map(([name]) => name)).toEqual(['migrate', 'relay', 'worker'])
  expect(services['postgres']?.healthcheck?.test?.join(' ')).toContain('pg_isready')
  expect(services['api']?.healthcheck).toBeUndefined() // the image's own
})

test('processes have longer to stop than they take', () => {
  for (const { stop_grace_period: period } of Object.values(services)) {
    expect(Number(/^(\d+)s$/.exec(period)?.[1])).toBeGreaterThan(13)
  }
})

test('nothing but the api and the demo is reachable, and only from the machine itself', () => {
  const open = Object.entries(services).flatMap(([name, { ports = [] }]) =>
    ports.map((port) => [name, port]),
  )
  expect(open).toEqual([
    ['api', '127.0.0.1:${PORT:-8080}:8080'],
    ['simulator', '127.0.0.1:${ORDERWHEEL_SIMULATOR_PORT:-3900}:3900'],
  ])
  expect(services['simulator']?.profiles).toEqual(['demo'])
})

test('the file holds no secret: one that is missing is asked for', () => {
  const text = readProjectFile('compose.yaml')
  const secrets = [...text.matchAll(/(?:PASSWORD|SECRET): (.*)/g)].map(([, value]) => value)
  expect(new Set(secrets)).toEqual(
    new Set(['${POSTGRES_PASSWORD:?set it in .env}', '${PARTNER_SECRET:?set it in .env}']),
  )
})

test('every variable the demo store needs has a value in a container', () => {
  const needed = listEnvironment(shop).map(({ variable }) => variable)
  for (const name of ['api', 'relay', 'worker']) {
    expect(Object.keys(services[name]?.environment ?? {})).toEqual(expect.arrayContaining(needed))
  }
})
