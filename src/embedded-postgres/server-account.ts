import { spawnSync } from 'node:child_process'

import { OrderwheelError } from '#base/errors.ts'

/** The user the server runs as: `{}` is ourselves. */
export type Account = { uid?: number; gid?: number }

/** PostgreSQL refuses to run as root: then it runs as user `postgres` where that exists, else as `nobody`. */
export function serverAccount(): Account {
  if (process.getuid?.() !== 0) return {}
  const account = lookUp('postgres') ?? lookUp('nobody')
  if (account) return account
  throw new OrderwheelError(
    'config',
    'PostgreSQL does not run as root, and there is neither a user "postgres" nor "nobody": start as an ordinary user, or set DATABASE_URL.',
  )
}

function lookUp(user: string): Account | undefined {
  const uid = spawnSync('id', ['-u', user], { encoding: 'utf8' })
  const gid = spawnSync('id', ['-g', user], { encoding: 'utf8' })
  if (uid.status !== 0 || gid.status !== 0) return undefined
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
}

/** Whether the account may enter the folder. Tried, not computed: access lists and mounts have a say too. */
export function canEnter(account: Account, folder: string): boolean {
  // Not by the cwd option, which changes the folder before the user.
  const command = ['-c', 'cd "$1"', 'sh', folder]
  const tried = spawnSync('/bin/sh', command, { ...account, cwd: '/', stdio: 'ignore' })
  return tried.status === 0
}

/** Whether the account may run the program. */
export function canRun(account: Account, program: string): boolean {
  const tried = spawnSync(program, ['--version'], { ...account, cwd: '/', stdio: 'ignore' })
  return tried.status === 0
}

/** Whether the process exists, whoever it belongs to. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
