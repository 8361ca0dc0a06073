/**
 * CharacterId: the ids of rows about characters: UUIDv5 of what makes the row unique. Every process derives the same id from
 * the same fact, so that storing it again finds the existing row.
 */
import { UuidV5 } from "@eco2/core/client"

/** In the namespace of domain names (RFC 9562). */
const uuidV5 = UuidV5.make("6ba7b810-9dad-11d1-80b4-00c04fd430c8")

export const ofCharacter = (code: string): string => uuidV5(`character:${code}`)
export const ofOwnership = (userId: string, code: string): string => uuidV5(`ownership:${userId}:${code}`)
export const ofUserCharacter = (userId: string, code: string): string => uuidV5(`user_character:${userId}:${code}`)
