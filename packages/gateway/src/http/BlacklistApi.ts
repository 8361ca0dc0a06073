/** BlacklistApi: revoking a token, for the service that gives tokens out. Under /api/v1/internal, with X-Internal-Secret. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"

const failure = (code: number, description: string) =>
  Schema.Struct({ detail: Schema.Unknown, code: Schema.String })
    .pipe(HttpApiSchema.status(code))
    .annotate({ description })

const Body = Schema.Struct({
  jti: Schema.String.annotate({ description: "The token's id: 1 to 255 printable ASCII characters" }),
  user_id: Schema.String.annotate({ description: "The user it belongs to, at most 255 characters" }),
  expires_at: Schema.String.annotate({ description: "When it expires, ISO 8601; UTC where no offset is given" }),
  reason: Schema.optionalKey(Schema.NullOr(Schema.String)).annotate({ description: "Why, at most 1000 characters" })
})

export class BlacklistGroup extends HttpApiGroup.make("blacklist")
  .add(
    HttpApiEndpoint.post("revoke", "/api/v1/internal/blacklist", {
      headers: { "x-internal-secret": Schema.optionalKey(Schema.String) },
      payload: Body,
      success: HttpApiSchema.NoContent,
      error: [
        failure(400, "INVALID_JSON, INVALID_REQUEST"),
        failure(403, "FORBIDDEN"),
        failure(422, "VALIDATION_ERROR"),
        failure(503, "UNAVAILABLE")
      ]
    }).annotate(OpenApi.Summary, "Revoke a token: every process refuses it from now on")
  )
  .annotateMerge(OpenApi.annotations({ title: "Blacklist", description: "For services: needs X-Internal-Secret." })) {}
