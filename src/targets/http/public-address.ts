import { BlockList, isIP } from 'node:net'

/**
 * Not on the public internet: this host, private networks, cloud metadata, documentation, multicast (IANA
 * registries). One list for each family: to a BlockList, 1.1.1.1 is also ::ffff:1.1.1.1 and so in ::/8.
 */
const privateIpv4 = createBlockList(
  [
    '0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24',
    '192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24',
    '224.0.0.0/4 240.0.0.0/4',
  ].flatMap((line) => line.split(' ')),
)
// ::/8 holds the mapped (::ffff:127.0.0.1) and the NAT64 (64:ff9b::) forms of IPv4 addresses.
const privateIpv6 = createBlockList(
  [
    '::/8 64:ff9b:1::/48 100::/64 2001:db8::/32 2002::/16 3fff::/20 5f00::/16',
    'fc00::/7 fe80::/10 ff00::/8',
  ].flatMap((line) => line.split(' ')),
)

/** Of entries that are `isAddressOrRange`. */
export function createBlockList(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const family = familyOf(address)
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}

/** Whether a webhook must not be sent there. What is no address counts as private. */
export function isPrivateAddress(address: string, allowed: BlockList): boolean {
  const [plain = ''] = address.split('%') // fe80::1%eth0
  if (isIP(plain) === 0) return true
  const refused = isIP(plain) === 6 ? privateIpv6 : privateIpv4
  return isListed(plain, refused) && !isListed(plain, allowed)
}

export function isListed(address: string, list: BlockList): boolean {
  return list.check(address, familyOf(address))
}

/** `10.0.0.0/8`, `fd00::1`. */
export function isAddressOrRange(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0) return false
  return (
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
  )
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4'
}
