/**
 * PublicAddress: which IP addresses and host names belong to the public internet. Pure: resolves no name. A name does not tell
 * its address, so GuardedFetch also checks the address it connects to.
 */
import { BlockList, isIP } from "node:net"

/** https://www.iana.org/assignments/iana-ipv4-special-registry: loopback, private, shared, link-local, documentation, multicast. */
const specialV4 = new BlockList()
for (const [network, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3]
] as const) {
  specialV4.addSubnet(network, bits, "ipv4")
}

/** Global unicast. Excludes addresses that wrap an IPv4 address: mapped (::ffff:0:0/96) and translated (64:ff9b::/96). */
const globalV6 = new BlockList()
globalV6.addSubnet("2000::", 3, "ipv6")

/** Parts of 2000::/3 that are not public: protocol assignments and Teredo, documentation, 6to4 (wraps an IPv4 address). */
const specialV6 = new BlockList()
for (const [network, bits] of [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20]
] as const) {
  specialV6.addSubnet(network, bits, "ipv6")
}

/** Whether an IP address, written without brackets, is public; false for text that is no address. */
export const isPublicAddress = (address: string): boolean => {
  switch (isIP(address)) {
    case 4:
      return !specialV4.check(address, "ipv4")
    case 6:
      return globalV6.check(address, "ipv6") && !specialV6.check(address, "ipv6")
    default:
      return false
  }
}

/** A URL's host as sockets expect it: no brackets, no root dot, lower case. */
export const bareHost = (host: string): string =>
  host
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "")
    .toLowerCase()

/** Whether a URL's `hostname` may be public: a public address, or a name with a dot and no local or reserved ending. */
export const isPublicHost = (host: string): boolean => {
  const bare = bareHost(host)
  if (isIP(bare) !== 0) return isPublicAddress(bare)
  return bare.includes(".") && !/\.(localhost|local|internal|lan|home|arpa|invalid)$/.test(bare)
}
