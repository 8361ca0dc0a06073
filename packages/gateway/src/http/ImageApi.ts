/** ImageApi: photos by address, as clients see them: an address to put a picture to, and one that a scan may name. */
import { Refusal } from "@eco2/core/http"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Authentication } from "../auth/Authentication.ts"
import { SameOrigin } from "../auth/SameOrigin.ts"
import * as ImageAddress from "../images/ImageAddress.ts"
import type { Words } from "./JsonBody.ts"
import * as RequestBody from "./RequestBody.ts"

const User = {
  "x-user-id": Schema.optionalKey(Schema.String).annotate({
    description: "The user; set by the mesh (AUTH_MODE=header)"
  })
}

export const words = {
  filename: { msg: "a string of 1 to 255 characters", type: "value_error.str" },
  content_type: { msg: "one of image/jpeg, image/png, image/webp, image/gif", type: "value_error.const" }
} satisfies Words

/** More fields are passed over. */
export const ImageBody = Schema.Struct({
  filename: Schema.String.check(
    Schema.isPattern(/^[^]{1,255}$/, { description: "What the user calls it, 1 to 255 characters; it is not kept" })
  ),
  content_type: ImageAddress.ContentType
})

export const Upload = Schema.Struct({
  key: Schema.String,
  upload_url: Schema.String.annotate({
    description:
      "PUT the bytes here, at most 10 MiB, with required_headers; no token is needed. Good for expires_in seconds, for this picture alone"
  }),
  cdn_url: Schema.String.annotate({
    description: "What a scan names as image_url, and where its owner sees the picture"
  }),
  expires_in: Schema.Int,
  required_headers: Schema.Record(Schema.String, Schema.String)
})

const Picture = Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array({ contentType: "image/*" })).annotate({
  description: "The picture, without metadata"
})

/** What Redis and the object storage may bring about; UNAVAILABLE also for the storage. */
const busy = Refusal.declared(503, "STORAGE_FULL", "STORAGE_REFUSED", "TOO_MANY_UPLOADS", "UNAVAILABLE")
const tooMany = Refusal.declared(429, "TOO_MANY_PHOTOS")
/** A path that is misspelt around its values (ExactRouter), and a picture that is not there. */
const noPicture = Refusal.declared(404, "IMAGE_NOT_FOUND", "NOT_FOUND")
/** Text that is no name of a picture is answered like one that nobody has. */
const ImagePath = { channel: Schema.String, file: Schema.String }

export class ImageGroup extends HttpApiGroup.make("images").add(
  HttpApiEndpoint.post("create", "/api/v1/images/:channel", {
    params: { channel: Schema.String },
    headers: User,
    payload: ImageBody,
    success: Upload,
    error: [
      ...RequestBody.refusals,
      Refusal.declared(400, "INVALID_JSON"),
      Refusal.declared(404, "NOT_FOUND"),
      Refusal.invalidField,
      busy
    ]
  })
    .middleware(SameOrigin)
    .middleware(Authentication)
    .annotate(OpenApi.Summary, "An address to put a photo to, and the one to name in a scan")
    .annotate(OpenApi.Description, "`channel` is `scan`, `chat` or `my`."),
  HttpApiEndpoint.put("put", "/api/v1/images/upload/:channel/:file", {
    params: ImagePath,
    query: {
      user: Schema.optionalKey(Schema.String),
      expires: Schema.optionalKey(Schema.String),
      signature: Schema.optionalKey(Schema.String)
    },
    payload: Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array({ contentType: "image/*" })),
    success: HttpApiSchema.Empty(200).annotate({ description: "Kept" }),
    error: [
      ...RequestBody.refusals,
      Refusal.declared(403, "UPLOAD_NOT_ALLOWED"),
      Refusal.declared(404, "NOT_FOUND"),
      Refusal.invalidField,
      tooMany,
      busy
    ]
  }).annotate(OpenApi.Summary, "Put a photo to the address that was given for it (`upload_url`)"),
  HttpApiEndpoint.get("show", "/api/v1/images/:channel/:file", {
    params: ImagePath,
    headers: User,
    success: HttpApiSchema.WithHeaders(Picture, {
      "cache-control": Schema.Literal("private, no-store"),
      "content-security-policy": Schema.String,
      "x-content-type-options": Schema.Literal("nosniff")
    }),
    error: [noPicture, tooMany, busy]
  })
    .middleware(Authentication)
    .annotate(OpenApi.Summary, "A photo that the user has put, as long as its scan is kept (`cdn_url`)")
) {}
