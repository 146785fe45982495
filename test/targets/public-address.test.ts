import { expect, test } from 'vitest'

import {
  createBlockList,
  isAddressOrRange,
  isPrivateAddress,
} from '#targets/http/public-address.ts'

const nothing = createBlockList([])

test.each([
  '0.1.2.3 10.1.2.3 100.64.0.1 127.0.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8',
  '192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1',
  '239.1.1.1 240.0.0.1 255.255.255.255',
  ':: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b:1::1 100::1 2001:db8::1 2002:7f00:1::',
  '3fff::1 5f00::1 fc00::1 fdff::1 fe80::1 fe80::1%eth0 febf::1 ff02::1',
  'example.com 999.1.1.1 127.1',
])('%s are private', (addresses) => {
  const taken = addresses.split(' ').filter((address) => !isPrivateAddress(address, nothing))
  expect(taken).toEqual([])
})

test.each(['1.1.1.1', '93.184.216.34', '172.32.0.1', '198.20.0.1', '2606:4700::1111'])(
  '%s is public',
  (address) => {
    expect(isPrivateAddress(address, nothing)).toBe(false)
  },
)

test('an allowed range is taken, in the mapped form too', () => {
  const allowed = createBlockList(['10.0.0.0/8', 'fd00::1'])
  expect(isPrivateAddress('10.1.2.3', allowed)).toBe(false)
  expect(isPrivateAddress('::ffff:10.1.2.3', allowed)).toBe(false)
  expect(isPrivateAddress('fd00::1', allowed)).toBe(false)
  expect(isPrivateAddress('192.168.0.1', allowed)).toBe(true)
})

test.each([
  ['10.0.0.0/8', true],
  ['fd00::/8', true],
  ['10.0.0.0/33', false],
  ['erp.internal', false],
])('%s is an address or range: %s', (entry, expected) => {
  expect(isAddressOrRange(entry)).toBe(expected)
})
