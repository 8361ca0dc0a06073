/**
 * CharacterId: the ids of what is stored about characters: UUIDv5 in the DNS namespace, of what makes a row unique. The same
 * fact has the same id in every process, so whoever stores it again finds it there.
 */
import { createHash } from "node:crypto"

/** RFC 9562, namespace of domain names. */
const dns = Buffer.from("6ba7b8109dad11d180b400c04fd430c8", "hex")

const uuidV5 = (name: string): string => {
  const bytes = createHash("sha1").update(dns).update(name).digest().subarray(0, 16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x50
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
}

export const ofCharacter = (code: string): string => uuidV5(`character:${code}`)
export const ofOwnership = (userId: string, code: string): string => uuidV5(`ownership:${userId}:${code}`)
export const ofUserCharacter = (userId: string, code: string): string => uuidV5(`user_character:${userId}:${code}`)
