import { chmod, chown, lstat, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { reachableFolder } from '#embedded-postgres/reachable-folder.ts'
import { serverAccount } from '#embedded-postgres/server-account.ts'

let base: string
let folder: string

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'orderwheel-reachable-'))
  await chmod(base, 0o755)
  folder = await reachableFolder(serverAccount(), base)
  await rm(folder, { recursive: true })
})
afterEach(() => rm(base, { recursive: true }))

test('the folder for the server’s files is found again', async () => {
  expect(await reachableFolder(serverAccount(), base)).toBe(folder)
  expect(await reachableFolder(serverAccount(), base)).toBe(folder)
  expect((await lstat(folder)).mode & 0o777).toBe(0o711)
})

test.runIf(process.getuid?.() === 0)(
  'a folder that another user made first is not used',
  async () => {
    await mkdir(folder)
    await chown(folder, 65_534, 65_534)

    await expect(reachableFolder(serverAccount(), base)).rejects.toThrow('Remove it')
  },
)

test('a symbolic link in the folder’s place is not followed', async () => {
  await mkdir(join(base, 'elsewhere'))
  await symlink(join(base, 'elsewhere'), folder)

  await expect(reachableFolder(serverAccount(), base)).rejects.toThrow('Remove it')
})

test('a folder that others may write to is not used', async () => {
  await mkdir(folder)
  await chmod(folder, 0o777)

  await expect(reachableFolder(serverAccount(), base)).rejects.toThrow('Remove it')
})
