/**
 * OperatorSession: the session of an operator's browser: a signed text that holds who and which role, until when. No process
 * keeps it; a changed INTERNAL_SECRET ends all. For InternalSecret, which checks it, and the console's sign-in. Pure.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto"

/** viewer: reads · operator: may change things as well. */
export const Role = Schema.Literals(["viewer", "operator"])
export type Role = typeof Role.Type

/** A name that an operator goes by: for the audit log, not verified. */
export const Who = Schema.String.check(Schema.isPattern(/^[^\p{C}\s](?:[^\p{C}]{0,62}[^\p{C}\s])?$/u))

export const Session = Schema.Struct({
  who: Who,
  role: Role,
  /** Epoch milliseconds. */
  until: Schema.Int
})
export type Session = typeof Session.Type

export const cookie = "eco2_console"
export const lifeMillis = 12 * 3_600_000

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Session))
const signed = (text: string, secret: string): Buffer =>
  createHmac("sha256", Buffer.from(hkdfSync("sha256", secret, "", "eco2 console session", 32)))
    .update(text)
    .digest()

export const issue = (session: Session, secret: string): string => {
  const text = Buffer.from(JSON.stringify(session)).toString("base64url")
  return `${text}.${signed(text, secret).toString("base64url")}`
}

/** The session, if the secret's owner issued it and it still lasts. */
export const read = (token: string, secret: string, nowMillis: number): Session | null => {
  const [text = "", given = ""] = token.split(".")
  const [wanted, mac] = [signed(text, secret), Buffer.from(given, "base64url")]
  if (secret === "" || mac.length !== wanted.length || !timingSafeEqual(mac, wanted)) return null
  const session = decode(Buffer.from(text, "base64url").toString("utf8"))
  return Option.isSome(session) && session.value.until > nowMillis ? session.value : null
}
