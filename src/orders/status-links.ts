import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'

import type pg from 'pg'

export type StatusLinks = {
  /** The path of a buyer's page; undefined while the database has no key for it: it is not migrated. */
  pathOf: (orderId: string) => Promise<string | undefined>
  /** The order of a token; undefined: it is none of ours. */
  orderOf: (token: string) => Promise<string | undefined>
}

/**
 * Links for buyers, who have no API key: `/status/<token>`. The token is the order's id and the first 128 bits of its
 * HMAC-SHA256, base64url, 43 characters: nothing is written for it, any process can check it, and nobody can make one
 * without the key, which is in the database and read once.
 */
export function createStatusLinks(pool: pg.Pool): StatusLinks {
  let reading: Promise<KeyObject | undefined> | undefined

  async function key(): Promise<KeyObject | undefined> {
    reading ??= readKey(pool)
    try {
      const found = await reading
      if (!found) reading = undefined
      return found
    } catch (error) {
      reading = undefined
      throw error
    }
  }

  return {
    async pathOf(orderId) {
      const secret = await key()
      if (!secret) return undefined
      const id = Buffer.from(orderId.replaceAll('-', ''), 'hex')
      return `/status/${Buffer.concat([id, sign(secret, id)]).toString('base64url')}`
    },
    async orderOf(token) {
      if (!/^[\w-]{43}$/.test(token)) return undefined
      const secret = await key()
      const bytes = Buffer.from(token, 'base64url')
      // The last character has four bits of ours: another spelling of the same bytes is no link of ours.
      if (!secret || bytes.toString('base64url') !== token) return undefined
      const id = bytes.subarray(0, 16)
      if (!timingSafeEqual(bytes.subarray(16), sign(secret, id))) return undefined
      return id.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
    },
  }
}

function sign(key: KeyObject, id: Buffer): Buffer {
  return createHmac('sha256', key).update('status:').update(id).digest().subarray(0, 16)
}

async function readKey(pool: pg.Pool): Promise<KeyObject | undefined> {
  try {
    const { rows } = await pool.query<{ key: Buffer }>(
      `select key from orderwheel.link_keys where purpose = 'status'`,
    )
    // Of bytes, a key would be made again for each link: 35 µs instead of 9, a tenth of what an order costs.
    return rows[0] && createSecretKey(rows[0].key)
  } catch (error) {
    // Not migrated yet: orders are taken all the same.
    if (error instanceof Error && 'code' in error && error.code === '42P01') return undefined
    throw error
  }
}
