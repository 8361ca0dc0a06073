/**
 * ImageHandlers: photos by address. `create` gives an address for one upload, without a trace in any store; `put` keeps the bytes
 * without metadata, within the bounds of the process and of the user; `show` gives them back to their owner alone. Who puts needs
 * no token, because browsers send none to another host: the address itself is the permission (ImageAddress).
 * Neighbours: OwnImages (the same pictures in a submit), ImageStore (where they are).
 */
import { Refusal } from "@eco2/core/http"
import { UploadedPictures } from "@eco2/core/client"
import { MemoryUse, RedisClient } from "@eco2/core/redis"
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Caller } from "../auth/Authentication.ts"
import type { GatewayConfig } from "../GatewayConfig.ts"
import * as ImageAddress from "../images/ImageAddress.ts"
import { ImageStore } from "../images/ImageStore.ts"
import * as OwnImages from "../images/OwnImages.ts"
import { ImageBody, words } from "./ImageApi.ts"
import * as ImageRefusal from "./ImageRefusal.ts"
import * as JsonBody from "./JsonBody.ts"
import type * as RequestBody from "./RequestBody.ts"
import { Api } from "./ScanApi.ts"
import { fromRedis } from "./SubmitRefusal.ts"
import { withoutMetadata } from "./SubmittedImage.ts"
import { nothing } from "./WrongField.ts"

const decode = JsonBody.decoder(ImageBody, { words })
const isChannel = (text: string): text is ImageAddress.Channel => ImageAddress.Channel.literals.some((c) => c === text)

const notAllowed = Refusal.make(
  403,
  "UPLOAD_NOT_ALLOWED",
  "the address of the upload is not valid, or no longer; ask for another one"
)
/** A picture opened in a tab of its own can do nothing. */
const alone = {
  "cache-control": "private, no-store",
  "content-security-policy": "default-src 'none'; sandbox",
  "x-content-type-options": "nosniff"
}

/** Where this request's client reaches the gateway, without a slash at its end. */
const originOf = ({ headers }: HttpServerRequest.HttpServerRequest, publicUrl: string | null): string => {
  if (publicUrl !== null) return publicUrl
  const [scheme = ""] = (headers["x-forwarded-proto"] ?? "").split(",", 1)
  return `${scheme.trim() === "https" ? "https" : "http"}://${headers.host ?? "localhost"}`
}

/** `bodies`: the process's only one, because all share UPLOAD_MEMORY. */
export const layer = (config: GatewayConfig, bodies: RequestBody.RequestBody) =>
  HttpApiBuilder.group(
    Api,
    "images",
    Effect.fnUntraced(function* (handlers) {
      const store = yield* ImageStore
      const { find, secret } = yield* OwnImages.OwnImages
      const redis = yield* RedisClient.RedisClient
      const memoryUse = yield* MemoryUse.make.pipe(Effect.provideService(RedisClient.RedisClient, redis))

      const create = Effect.fnUntraced(function* (channel: string, request: HttpServerRequest.HttpServerRequest) {
        if (!isChannel(channel)) return yield* nothing
        const { user } = yield* Caller
        const { content_type } = yield* bodies
          .text(request)
          .pipe(Effect.flatMap(JsonBody.parseObject), Effect.flatMap(decode), Effect.scoped)
        const signing = yield* Effect.mapError(secret, fromRedis)
        const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
        const key = ImageAddress.keyOf(signing, {
          channel,
          id: UploadedPictures.makeId(now),
          contentType: content_type
        })
        const origin = originOf(request, config.publicUrl)
        const query = new URLSearchParams({ ...ImageAddress.grant(signing, key, user, now) })
        return {
          key,
          upload_url: `${origin}${ImageAddress.uploadPath}/${key}?${query}`,
          cdn_url: `${origin}${ImageAddress.path}/${key}`,
          expires_in: ImageAddress.expirySeconds,
          required_headers: { "Content-Type": content_type }
        }
      })

      const put = Effect.fnUntraced(function* (
        { channel, file }: { readonly channel: string; readonly file: string },
        query: Partial<ImageAddress.Grant>,
        request: HttpServerRequest.HttpServerRequest
      ) {
        const signing = yield* Effect.mapError(secret, fromRedis)
        const name = ImageAddress.parse(signing, channel, file)
        const { expires = "", signature = "", user = "" } = query
        const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
        const key = `${channel}/${file}`
        if (name === null || !ImageAddress.isGranted(signing, key, { expires, signature, user }, now))
          return yield* notAllowed
        const { contentType, id } = name
        if (request.headers["content-type"] !== contentType)
          return yield* Refusal.invalid(["header", "content-type"], `must be ${contentType}`, "value_error.const")
        const bytes = yield* withoutMetadata(yield* bodies.picture(request, user), ImageRefusal.noPicture)
        yield* ImageRefusal.withRoom(memoryUse)
        yield* Effect.mapError(store.keep({ owner: user, id, key }, bytes, contentType), ImageRefusal.of)
        yield* Effect.logInfo("picture uploaded").pipe(Effect.annotateLogs({ image_bytes: bytes.length }))
      })

      const show = Effect.fnUntraced(function* ({
        channel,
        file
      }: {
        readonly channel: string
        readonly file: string
      }) {
        const { user } = yield* Caller
        const picture = yield* find(bodies, user, { channel, file })
        if (picture === null) return yield* ImageRefusal.noImage
        return HttpServerResponse.uint8Array(picture.bytes, { contentType: picture.mimeType, headers: alone })
      })

      return (
        handlers
          // by hand: RequestBody bounds bodies while they are read
          .handleRaw("create", ({ params, request }) => create(params.channel, request))
          .handleRaw("put", ({ params, query, request }) => Effect.scoped(put(params, query, request)))
          // its room is released when the response is over
          .handle("show", ({ params }) => show(params))
      )
    })
  )
