/**
 * ScanSubmission: checks a submit's body, field by field of the contract, and turns it into the pipeline's input. Pure except
 * for decoding. Clients rely on the order of the checks: shape first, then the image, then the question, then the model.
 */
import { ImageHosts } from "@eco2/actors/protocol"
import type { OfferedModels, ScanRequest } from "@eco2/actors/protocol"
import { PublicAddress } from "@eco2/core/net"
import { Refusal } from "@eco2/core/http"
import { Effect, Schema } from "effect"
import type { Config } from "effect"
import * as JsonBody from "./JsonBody.ts"

export interface Submission {
  readonly request: ScanRequest
  /** Bytes of a data URL. */
  readonly image: Uint8Array | null
  /** The text that an idempotency key is bound to. */
  readonly body: string
}

export const defaultQuestion = "이 물건은 어떻게 분리배출해야 하나요?"
const mostUrl = 2_083
const mostQuestion = 2_000
export const mostImageBytes = 10 * 1024 * 1024
/** Room for a data URL of 10 MiB in base64, and for the rest of the body. */
export const mostBodyBytes = Math.ceil(mostImageBytes / 3) * 4 + 64 * 1024

/** The refusals of a submit's body, for the API description. */
export const refusals = [
  Refusal.declared(400, "INVALID_JSON", "INVALID_REQUEST", "IMAGE_URL_REQUIRED", "IMAGE_HOST_NOT_ALLOWED"),
  Refusal.declaredWith(
    400,
    ["UNSUPPORTED_MODEL"],
    Schema.Struct({ error: Schema.String, message: Schema.String, supported_models: Schema.Array(Schema.String) })
  ),
  Refusal.declared(413, "IMAGE_TOO_LARGE"),
  Refusal.invalidField
] as const
type Refused = (typeof refusals)[number]["Type"]

const dataUrl = /^data:image\/(jpeg|png|webp|gif);base64,/
const base64 = /^[A-Za-z0-9+/]*={0,2}$/

const isAllowedHost = (host: string, allowed: ReadonlyArray<string>): boolean =>
  allowed.length === 0 ? PublicAddress.isPublicHost(host) : ImageHosts.isListed(host, allowed)

type Image = Pick<Submission, "image"> & { readonly source: ScanRequest["image"] }

const parseImage = (text: string, imageHosts: ReadonlyArray<string>): Effect.Effect<Image, Refused> => {
  if (text.startsWith("data:")) {
    const match = dataUrl.exec(text)
    if (match === null)
      return Effect.fail(
        Refusal.invalid(
          ["body", "image_url"],
          "a data URL must be data:image/(jpeg|png|webp|gif);base64,…",
          "value_error.url"
        )
      )
    const payload = text.slice(match[0].length)
    if (payload.length > mostBodyBytes) return Effect.fail(tooLarge())
    if (payload === "" || !base64.test(payload))
      return Effect.fail(Refusal.invalid(["body", "image_url"], "the data URL is not base64", "value_error.url"))
    const bytes = Buffer.from(payload, "base64")
    if (bytes.length > mostImageBytes) return Effect.fail(tooLarge())
    return Effect.succeed({ source: { _tag: "Bytes", mimeType: `image/${match[1]}` }, image: bytes })
  }
  if (text.length > mostUrl)
    return Effect.fail(
      Refusal.invalid(["body", "image_url"], `at most ${mostUrl} characters`, "value_error.any_str.max_length")
    )
  if (!URL.canParse(text)) return Effect.fail(Refusal.invalid(["body", "image_url"], "not a URL", "value_error.url"))
  const url = new URL(text)
  if (url.protocol !== "http:" && url.protocol !== "https:")
    return Effect.fail(
      Refusal.invalid(["body", "image_url"], "only http, https and data URLs", "value_error.url.scheme")
    )
  if (url.username !== "" || url.password !== "")
    return Effect.fail(Refusal.invalid(["body", "image_url"], "a URL with credentials", "value_error.url"))
  return isAllowedHost(url.hostname, imageHosts)
    ? Effect.succeed({ source: { _tag: "Url", url: text }, image: null })
    : Effect.fail(Refusal.make(400, "IMAGE_HOST_NOT_ALLOWED", `images from ${url.hostname} are not allowed`))
}

export const tooLarge = () => Refusal.make(413, "IMAGE_TOO_LARGE", "the image has more than 10 MiB")
const wrongType = (field: string, wanted: string) => Refusal.make(400, "INVALID_REQUEST", `${field} must be ${wanted}`)

/** `text`: the body as received. */
export const parse = Effect.fnUntraced(function* (
  text: string,
  options: { readonly imageHosts: ReadonlyArray<string>; readonly models: Config.Success<typeof OfferedModels> }
): Effect.fn.Return<Submission, Refused> {
  const body = yield* JsonBody.parseObject(text)
  const {
    image_url = null,
    model = null,
    user_input = null
  }: { readonly image_url?: unknown; readonly model?: unknown; readonly user_input?: unknown } = body
  if (image_url === null || image_url === "")
    return yield* Refusal.make(400, "IMAGE_URL_REQUIRED", "image_url is required")
  if (typeof image_url !== "string") return yield* wrongType("image_url", "a string")
  if (user_input !== null && typeof user_input !== "string") return yield* wrongType("user_input", "a string or null")
  if (model !== null && typeof model !== "string") return yield* wrongType("model", "a string or null")
  const { image, source } = yield* parseImage(image_url, options.imageHosts)
  // characters as people count them: an emoji is one, however long it is in UTF-16
  if (user_input !== null && user_input.length > mostQuestion && Array.from(user_input).length > mostQuestion) {
    return yield* Refusal.invalid(
      ["body", "user_input"],
      `at most ${mostQuestion} characters`,
      "value_error.any_str.max_length"
    )
  }
  const chosen = model ?? options.models.default
  if (options.models.providerOf(chosen) === undefined) {
    return yield* Refusal.make(400, "UNSUPPORTED_MODEL", {
      error: "UNSUPPORTED_MODEL",
      message: `model ${chosen.slice(0, 100)} is not offered`,
      supported_models: options.models.models
    })
  }
  const question = user_input === null || user_input.trim() === "" ? defaultQuestion : user_input
  return {
    request: { image: source, userInput: question, model: chosen },
    image,
    body: JSON.stringify([image_url, user_input, model])
  }
})
