import { expect, test } from 'vitest'

import { runUntilSignal, type Part, type Run } from '#base/run-until-signal.ts'

test('parts of one stage stop side by side, and each stage only when the one before has stopped', async () => {
  const heard: string[] = []
  const apiStops = Promise.withResolvers<void>()
  const workerStops = Promise.withResolvers<void>()
  const part = (name: string, stage: Part['stage'], stop?: () => Promise<void>): Part => ({
    name,
    stage,
    async stop() {
      heard.push(`${name} stops`)
      await stop?.()
      heard.push(`${name} stopped`)
    },
  })

  await run((run) => {
    run.add(part('PostgreSQL', 'server'))
    run.add(part('connections', 'connections'))
    run.add(part('targets', 'targets'))
    run.add(part('pg-boss', 'queues'))
    run.add(
      part('api', 'work', () => {
        apiStops.resolve()
        return workerStops.promise
      }),
    )
    run.add(
      part('worker', 'work', () => {
        workerStops.resolve()
        return apiStops.promise
      }),
    )
  })

  expect(heard.slice(0, 4).toSorted()).toEqual([
    'api stopped',
    'api stops',
    'worker stopped',
    'worker stops',
  ])
  expect(heard.slice(4)).toEqual([
    'pg-boss stops',
    'pg-boss stopped',
    'targets stops',
    'targets stopped',
    'connections stops',
    'connections stopped',
    'PostgreSQL stops',
    'PostgreSQL stopped',
  ])
})

test('a part that fails to stop keeps no other from stopping, and is told', async () => {
  const stopped: string[] = []
  const running = run((run) => {
    run.add({ name: 'PostgreSQL', stage: 'server', stop: async () => void stopped.push('server') })
    run.add({ name: 'api', stage: 'work', stop: async () => void stopped.push('api') })
    run.add({ name: 'worker', stage: 'work', stop: () => Promise.reject(new Error('broken')) })
  })

  await expect(running).rejects.toThrow('broken')
  expect(stopped).toEqual(['api', 'server'])
})

function run(start: (run: Run) => void): Promise<void> {
  return runUntilSignal({
    start: async (run) => start(run),
    until: () => Promise.resolve(),
  })
}
