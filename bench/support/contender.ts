import { once } from 'node:events'

/** For scripts that `bench.startContender` runs: a variable it was given. */
export function given(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set`)
  return value
}

/** Tells the scenario something: that the contender is ready, or its figures. */
export async function report(message: object): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  if (!process.send) throw new Error('started without a scenario: npm run bench -- <scenario>')
  process.send(message, (error: Error | null) => (error ? reject(error) : resolve()))
  await promise
}

/** What the scenario sends next. */
export async function command<T>(): Promise<T> {
  const [message] = (await once(process, 'message')) as [T]
  return message
}

/** Resolves when the scenario stops the contender, or is gone itself. */
export async function untilStopped(): Promise<void> {
  await Promise.race([once(process, 'SIGTERM'), once(process, 'disconnect')])
}
