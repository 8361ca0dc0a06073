/** CharacterApi: the characters' calls as their clients see them; OpenAPI and /docs are made of this. */
import { Characters } from "@eco2/actors/protocol"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"

const failure = (code: number, description: string) =>
  Schema.Struct({ detail: Schema.Unknown, code: Schema.String })
    .pipe(HttpApiSchema.status(code))
    .annotate({ description })

const User = {
  "x-user-id": Schema.optionalKey(Schema.String).annotate({
    description: "The user; set by the mesh (AUTH_MODE=header)"
  })
}
const unavailable = failure(503, "UNAVAILABLE: there is no database, or it does not answer")
const errors = [failure(401, "UNAUTHORIZED"), unavailable] as const

export class CharacterGroup extends HttpApiGroup.make("character").add(
  HttpApiEndpoint.get("catalogue", "/api/v1/character/catalog", {
    success: Schema.Array(Characters.CatalogueEntry),
    error: [unavailable]
  }).annotate(OpenApi.Summary, "All characters, with the category of each"),
  HttpApiEndpoint.get("mine", "/api/v1/users/me/characters", {
    headers: User,
    success: Schema.Array(Characters.OwnedCharacter),
    error: errors
  }).annotate(OpenApi.Summary, "The user's characters; a user without any gets the default one"),
  HttpApiEndpoint.get("ownership", "/api/v1/users/me/characters/:name/ownership", {
    params: { name: Schema.String },
    headers: User,
    success: Schema.Struct({ character_name: Schema.String, owned: Schema.Boolean }),
    error: errors
  }).annotate(OpenApi.Summary, "Whether the user has a character of this name")
) {}
