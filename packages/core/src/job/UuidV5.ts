/**
 * UuidV5: ids derived from a name (RFC 9562, section 5.5). The same namespace and name give the same id in every process, so
 * that data stored twice has one id.
 */
import { createHash } from "node:crypto"

/** Returns a function from names to ids. `namespace`: a UUID. */
export const make = (namespace: string): ((name: string) => string) => {
  const prefix = Buffer.from(namespace.replaceAll("-", ""), "hex")
  return (name) => {
    const bytes = createHash("sha1").update(prefix).update(name).digest().subarray(0, 16)
    bytes[6] = (bytes[6]! & 0x0f) | 0x50
    bytes[8] = (bytes[8]! & 0x3f) | 0x80
    return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
  }
}
