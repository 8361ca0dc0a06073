/** Which addresses are public. */
import { describe, expect, it } from "vitest"
import { isPublicAddress, isPublicHost } from "../../../packages/core/src/net/PublicAddress.ts"

describe("PublicAddress", () => {
  it.each([
    ...["0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.0.9", "169.254.169.254", "172.31.255.255"],
    ...["192.0.0.192", "192.168.0.1", "198.19.0.1", "203.0.113.9", "224.0.0.1", "255.255.255.255"],
    ...["::", "::1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::a00:1"],
    ...["64:ff9b:1::1", "100::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"],
    ...["2001::1", "2001:db8::1", "2002:a00:1::", "3fff::1", "", "localhost", "8.8.8.8 "]
  ])("the address %j is not public", (address) => {
    expect(isPublicAddress(address)).toBe(false)
  })

  it.each(["8.8.8.8", "100.63.255.255", "172.32.0.1", "223.255.255.255", "2606:4700::1111", "2001:200::1"])(
    "the address %s is public",
    (address) => {
      expect(isPublicAddress(address)).toBe(true)
    }
  )

  it("a URL's host is judged by how it is written: localhost, plain, internal and private names are not public", () => {
    const hosts = ["localhost", "localhost.", "redis", "a.internal", "db.local", "[::1]", "127.0.0.1", "[fd00::1]"]
    expect(hosts.filter(isPublicHost)).toEqual([])
    const publicHosts = ["news.example", "NEWS.example.", "8.8.8.8", "[2606:4700::1111]"]
    expect(publicHosts.filter(isPublicHost)).toEqual(publicHosts)
  })
})
