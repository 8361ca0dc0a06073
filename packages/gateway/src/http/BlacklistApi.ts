/** BlacklistApi: the call that revokes a token, for the token issuer. Under /api/v1/internal, with X-Internal-Secret. */
import { Refusal } from "@eco2/core/http"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { InternalSecret } from "../auth/InternalSecret.ts"
import type { Words } from "./JsonBody.ts"
import { KnownQuery } from "./KnownQuery.ts"
import * as RequestBody from "./RequestBody.ts"

/** ISO 8601 as the standard libraries of most languages write it; without an offset it is UTC. */
const isoTime = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:\d{2})?$/

/** Epoch milliseconds; NaN if the text is not a time. */
export const millisOf = (time: string): number => {
  const [, local, offset] = isoTime.exec(time) ?? []
  return Date.parse(`${local}${offset ?? "Z"}`)
}

export const words = {
  jti: { msg: "1 to 255 printable ASCII characters", type: "value_error.str" },
  user_id: { msg: "a string of at most 255 characters", type: "value_error.str" },
  expires_at: {
    msg: "a time such as 2026-01-31T12:00:00Z; UTC where no offset is given",
    type: "value_error.datetime"
  },
  reason: { msg: "a string of at most 1000 characters, or null", type: "value_error.str" }
} satisfies Words
const said = (field: keyof typeof words) => ({ description: words[field].msg })

/** The token's id, its user, its expiry, and the reason. */
export const RevocationBody = Schema.Struct({
  jti: Schema.String.check(Schema.isPattern(/^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/, said("jti"))),
  user_id: Schema.String.check(Schema.isMaxLength(255, said("user_id"))),
  expires_at: Schema.String.check(Schema.makeFilter((time) => !Number.isNaN(millisOf(time)), said("expires_at"))),
  reason: Schema.optionalKey(Schema.NullOr(Schema.String.check(Schema.isMaxLength(1_000, said("reason")))))
})

export class BlacklistGroup extends HttpApiGroup.make("blacklist")
  .add(
    HttpApiEndpoint.post("revoke", "/api/v1/internal/blacklist", {
      payload: RevocationBody,
      success: HttpApiSchema.NoContent,
      error: [
        ...RequestBody.refusals,
        Refusal.declared(400, "INVALID_JSON"),
        Refusal.invalidField,
        Refusal.declared(503, "TOO_MANY_UPLOADS", "UNAVAILABLE")
      ]
    }).annotate(OpenApi.Summary, "Revoke a token: every process refuses it from now on")
  )
  .middleware(KnownQuery)
  .middleware(InternalSecret)
  .annotateMerge(OpenApi.annotations({ title: "Blacklist", description: "For services: needs X-Internal-Secret." })) {}
