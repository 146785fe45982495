import { afterAll, beforeAll, expect, test } from 'vitest'

import { mentions } from '#forget/mask-mentions.ts'

import { testDatabase, type TestDatabase } from '../support/test-database.ts'

// Rewritten with the order they belong to: forget-order.ts.
const ofAnOrder = [
  'orders.document',
  'orders.idempotency_key',
  'messages.payload',
  'deliveries.edited',
  'delivery_attempts.reason',
  'delivery_attempts.answer',
  'dead_letters.reason',
  'dead_letters.attempts',
  'dead_letters.comment',
  'payments.reason',
]

// An order with a message in the outbox, a held letter, or a card that may have been charged is not forgotten.
const keepsTheOrder = [
  'outbox.payload',
  'outbox.refusal',
  'dead_letters.hold_reason',
  'payments.token',
]

// What we write ourselves, without a person in it.
const harmless = [
  'audit_chain.details',
  'link_keys.purpose',
  // The gateway's number for the charge, which the books need.
  'payments.reference',
  'reports.kind',
  // Amounts by currency.
  'reports.sums',
  'verifications.findings',
  'verifications.counts',
  'verify_state.full_walk',
  'schema_migrations.checksum',
  'targets.address',
]

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
afterAll(() => database.close())

test('whoever adds a place for free text says what becomes of a person’s name in it', async () => {
  // Longer than a name of ours may be, or JSON. What is computed from others goes with them.
  const { rows } = await database.pool.query<{ place: string }>(`
    select format('%s.%s', c.relname, a.attname) as place
      from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relnamespace = 'orderwheel'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
       and a.attgenerated = '' and a.attname <> 'target'
       and (a.atttypid in ('json'::regtype, 'jsonb'::regtype)
            or a.atttypid in ('text'::regtype, 'varchar'::regtype) and not exists (
              select from pg_constraint k
               where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum]
                 and (pg_get_constraintdef(k.oid) ~ '= ANY|~ ''\\^'
                      or substring(pg_get_constraintdef(k.oid) from '<= ([0-9]+)')::int <= 200)))
     order by 1`)

  const known = mentions.map(({ table, column }) => `${table}.${column}`)
  const places = [...known, ...ofAnOrder, ...keepsTheOrder, ...harmless]
  expect(rows.map(({ place }) => place).filter((place) => !places.includes(place))).toEqual([])
})
