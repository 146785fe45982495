import { sql } from 'kysely'

import type { Examination } from './examination.ts'
import type { Finding } from './finding.ts'

export const settings: Examination = {
  subject: 'the server’s version and what it promises to keep',
  async examine({ db }) {
    const { rows } = await sql<{ name: string; value: string }>`
      select name, current_setting(name) as value
        from unnest(array['server_version_num', 'server_version', 'fsync', 'full_page_writes',
                          'synchronous_commit', 'zero_damaged_pages', 'ignore_checksum_failure',
                          'session_replication_role']) name`.execute(db)
    const value = Object.fromEntries(rows.map((row) => [row.name, row.value]))
    const tooOld: Finding[] =
      Number(value['server_version_num']) >= 180_000
        ? []
        : [
            {
              kind: 'server-too-old',
              severity: 'error',
              what: `The server is PostgreSQL ${value['server_version']}.`,
              why: 'Orderwheel needs 18 or newer, for uuidv7 and for what it reads back from updates.',
              fix: 'pg_upgrade to 18, or restore into a server that is (docs/for-dbas.md).',
            },
          ]
    const unsafe = unsafeSettings
      .filter(({ name, unsafe }) => value[name] === unsafe)
      .map(({ name, unsafe, severity, why, fix }): Finding => ({
        kind: 'unsafe-setting',
        severity,
        what: `${name} is ${unsafe}.`,
        why,
        fix,
      }))
    return { findings: [...tooOld, ...unsafe] }
  },
}

const back = (name: string) =>
  `alter system reset ${name}; select pg_reload_conf(); -- and where role or database set it: alter role … reset ${name}`

type UnsafeSetting = Pick<Finding, 'severity' | 'why' | 'fix'> & { name: string; unsafe: string }

const unsafeSettings: readonly UnsafeSetting[] = [
  {
    name: 'fsync',
    unsafe: 'off',
    severity: 'error',
    why: 'An order answered with 202 is not on disk, and after a crash the whole database may be unreadable.',
    fix: back('fsync'),
  },
  {
    name: 'full_page_writes',
    unsafe: 'off',
    severity: 'error',
    why: 'A crash in the middle of writing a page leaves half of it, which nothing can mend (only some file systems prevent that).',
    fix: back('full_page_writes'),
  },
  {
    name: 'synchronous_commit',
    unsafe: 'off',
    severity: 'error',
    why: 'Orders answered with 202 in the last moments before a crash are gone.',
    fix: back('synchronous_commit'),
  },
  {
    name: 'zero_damaged_pages',
    unsafe: 'on',
    severity: 'error',
    why: 'Pages that cannot be read are silently taken for empty: orders vanish.',
    fix: back('zero_damaged_pages'),
  },
  {
    name: 'ignore_checksum_failure',
    unsafe: 'on',
    severity: 'error',
    why: 'Damaged pages are read as if they were sound.',
    fix: back('ignore_checksum_failure'),
  },
  {
    name: 'session_replication_role',
    unsafe: 'replica',
    severity: 'error',
    why: 'Foreign keys and triggers are not heeded by sessions of this role: deleting an order leaves its deliveries behind.',
    fix: back('session_replication_role'),
  },
]
