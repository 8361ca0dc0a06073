/** InternalSecret: whether a caller knows INTERNAL_SECRET. Not set, or set to nothing: nobody does. */
import { Option, Redacted } from "effect"
import { createHash, timingSafeEqual } from "node:crypto"
import { refusal } from "../http/HttpErrors.ts"

const digest = (text: string) => createHash("sha256").update(text).digest()

export const forbidden = refusal(403, "FORBIDDEN", "X-Internal-Secret is missing or wrong")

/** Comparing takes the same time however wrong the guess. */
export const make = (secret: Option.Option<Redacted.Redacted>) => {
  const text = Option.match(secret, { onNone: () => "", onSome: Redacted.value })
  const wanted = digest(text)
  return {
    isKnownBy: (request: { readonly headers: { readonly [name: string]: string | undefined } }): boolean =>
      timingSafeEqual(digest(request.headers["x-internal-secret"] ?? ""), wanted) && text !== ""
  }
}
