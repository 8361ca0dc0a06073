/** CharacterApi: the character calls as clients see them; the source of OpenAPI and /docs. */
import { Characters } from "@eco2/actors/protocol"
import { Refusal } from "@eco2/core/http"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Authentication } from "../auth/Authentication.ts"
import * as RequestLanguage from "./RequestLanguage.ts"

const User = {
  "x-user-id": Schema.optionalKey(Schema.String).annotate({
    description: "The user; set by the mesh (AUTH_MODE=header)"
  })
}
/** There is no database, or it does not answer. */
const unavailable = Refusal.declared(503, "UNAVAILABLE")
const own = { "cache-control": Schema.Literal("no-store") }
const Ownership = Schema.Struct({ character_name: Schema.String, owned: Schema.Boolean })

export class CharacterGroup extends HttpApiGroup.make("character").add(
  HttpApiEndpoint.get("catalogue", "/api/v1/character/catalog", {
    ...RequestLanguage.asked,
    success: HttpApiSchema.WithHeaders(Schema.Array(Characters.CatalogueEntry), {
      "cache-control": Schema.Literal("public, max-age=30"),
      vary: RequestLanguage.varies
    }),
    error: unavailable
  }).annotate(OpenApi.Summary, "All characters, with the category of each"),
  HttpApiEndpoint.get("mine", "/api/v1/users/me/characters", {
    headers: User,
    success: HttpApiSchema.WithHeaders(Schema.Array(Characters.OwnedCharacter), own),
    error: unavailable
  })
    .middleware(Authentication)
    .annotate(OpenApi.Summary, "The user's characters; a user without any gets the default one"),
  HttpApiEndpoint.get("ownership", "/api/v1/users/me/characters/:name/ownership", {
    params: { name: Schema.String },
    headers: User,
    success: HttpApiSchema.WithHeaders(Ownership, own),
    // a path that is misspelt around the name (ExactRouter)
    error: [unavailable, Refusal.declared(404, "NOT_FOUND")]
  })
    .middleware(Authentication)
    .annotate(OpenApi.Summary, "Whether the user has a character of this name")
) {}
