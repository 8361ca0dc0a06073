/**
 * ScanSubmission: checks a submit's body, field by field of the contract, and turns it into the pipeline's input. Pure except
 * for decoding, and for reading a picture that was uploaded before. Clients rely on the order of the checks: shape first, then the image, then the question, then the model.
 */
import { ImageHosts, Language } from "@eco2/actors/protocol"
import type { OfferedModels, ScanRequest } from "@eco2/actors/protocol"
import { PublicAddress } from "@eco2/core/net"
import { Refusal } from "@eco2/core/http"
import { Effect, Schema } from "effect"
import type { Config, Scope } from "effect"
import { hash } from "node:crypto"
import type * as OwnImages from "../images/OwnImages.ts"
import * as JsonBody from "./JsonBody.ts"
import type { Picture, Whole } from "./SubmitBody.ts"
import { withoutMetadata } from "./SubmittedImage.ts"

export interface Submission {
  readonly request: ScanRequest
  /** Bytes of a data URL or of an uploaded picture, without metadata. */
  readonly image: Uint8Array | null
  /**
   * SHA-256 in base64url of what an idempotency key is bound to: `[image_url, user_input, model]` as JSON, and language and
   * region, if the body has one of them. What headers say is not part of it.
   */
  readonly bodyHash: string
}

const defaultQuestion: Readonly<Record<Language, string>> = {
  ko: "이 물건은 어떻게 분리배출해야 하나요?",
  en: "How do I dispose of this item?"
}
const mostUrl = 2_083
const mostQuestion = 2_000
const mostRegion = 100
const isLanguage = Schema.is(Language)
/** The refusals of a submit's body, for the API description. */
export const refusals = [
  Refusal.declared(400, "INVALID_JSON", "INVALID_REQUEST", "IMAGE_URL_REQUIRED", "IMAGE_HOST_NOT_ALLOWED"),
  Refusal.declaredWith(
    400,
    ["UNSUPPORTED_MODEL"],
    Schema.Struct({ error: Schema.String, message: Schema.String, supported_models: Schema.Array(Schema.String) })
  ),
  Refusal.invalidField
] as const
type Refused = (typeof refusals)[number]["Type"]

const isAllowedHost = (host: string, allowed: ReadonlyArray<string>): boolean =>
  allowed.length === 0 ? PublicAddress.isPublicHost(host) : ImageHosts.isListed(host, allowed)

type Image = Pick<Submission, "image"> & { readonly source: ScanRequest["image"] }

/** The user's picture at an address of ours; "gone": of a scan that was accepted before; null for a stranger's address. */
export type OwnImage<E> = (url: URL) => Effect.Effect<OwnImages.Picture | "gone" | null, E, Scope.Scope>

const parseImage = <E>(
  text: string,
  picture: Picture | null,
  imageHosts: ReadonlyArray<string>,
  ownImage: OwnImage<E>
): Effect.Effect<Image, Refused | E, Scope.Scope> => {
  if (text.startsWith("data:")) {
    if (picture === null || text !== picture.header)
      return Effect.fail(
        Refusal.invalid(
          ["body", "image_url"],
          "a data URL must be data:image/(jpeg|png|webp|gif);base64,…",
          "value_error.url"
        )
      )
    const source = { _tag: "Bytes", mimeType: picture.mimeType } as const
    return Effect.map(withoutMetadata(picture.bytes), (image) => ({ source, image }))
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
  return Effect.flatMap(ownImage(url), (own): Effect.Effect<Image, Refused> => {
    // nobody reads it, as the scan is there already; should that end meanwhile, the new scan finds no picture, and asks nobody for it
    if (own === "gone")
      return Effect.succeed({ source: { _tag: "Bytes", mimeType: "image/*", url: text }, image: null })
    if (own !== null)
      return Effect.succeed({ source: { _tag: "Bytes", mimeType: own.mimeType, url: text }, image: own.bytes })
    return isAllowedHost(url.hostname, imageHosts)
      ? Effect.succeed({ source: { _tag: "Url", url: text }, image: null })
      : Effect.fail(Refusal.make(400, "IMAGE_HOST_NOT_ALLOWED", `images from ${url.hostname} are not allowed`))
  })
}

/** Characters as people count them: an emoji is one, however long it is in UTF-16. */
const isLonger = (text: string, most: number): boolean => text.length > most && Array.from(text).length > most

const tooLong = (field: string, most: number) =>
  Refusal.invalid(["body", field], `at most ${most} characters`, "value_error.any_str.max_length")

const wrongType = (field: string, wanted: string) => Refusal.make(400, "INVALID_REQUEST", `${field} must be ${wanted}`)

/** `body`: as SubmitBody read it; `language`: of a body that names none. */
export const parse = Effect.fnUntraced(function* <E>(
  { picture, text }: Whole,
  options: {
    readonly ownImage: OwnImage<E>
    readonly imageHosts: ReadonlyArray<string>
    readonly models: Config.Success<typeof OfferedModels>
    readonly language: Language
  }
): Effect.fn.Return<Submission, Refused | E, Scope.Scope> {
  const body = yield* JsonBody.parseObject(text)
  const {
    image_url = null,
    language = null,
    model = null,
    region = null,
    user_input = null
  }: { readonly [field in "image_url" | "language" | "model" | "region" | "user_input"]?: unknown } = body
  if (image_url === null || image_url === "")
    return yield* Refusal.make(400, "IMAGE_URL_REQUIRED", "image_url is required")
  if (typeof image_url !== "string") return yield* wrongType("image_url", "a string")
  if (user_input !== null && typeof user_input !== "string") return yield* wrongType("user_input", "a string or null")
  if (model !== null && typeof model !== "string") return yield* wrongType("model", "a string or null")
  if (language !== null && typeof language !== "string") return yield* wrongType("language", "a string or null")
  if (region !== null && typeof region !== "string") return yield* wrongType("region", "a string or null")
  const { image, source } = yield* parseImage(image_url, picture, options.imageHosts, options.ownImage)
  // letters that are written in parts count as one; text that is too long even so is not normalised
  if (user_input !== null && user_input.length > 4 * mostQuestion) return yield* tooLong("user_input", mostQuestion)
  const asked = user_input === null ? null : user_input.normalize("NFC")
  if (asked !== null && isLonger(asked, mostQuestion)) return yield* tooLong("user_input", mostQuestion)
  const chosen = model ?? options.models.default
  if (options.models.providerOf(chosen) === undefined) {
    return yield* Refusal.make(400, "UNSUPPORTED_MODEL", {
      error: "UNSUPPORTED_MODEL",
      message: `model ${chosen.slice(0, 100)} is not offered`,
      supported_models: options.models.models
    })
  }
  if (language !== null && !isLanguage(language))
    return yield* Refusal.invalid(["body", "language"], "one of ko, en", "value_error.const")
  if (region !== null && isLonger(region, mostRegion)) return yield* tooLong("region", mostRegion)
  const inLanguage = language ?? options.language
  const question = asked === null || asked.trim() === "" ? defaultQuestion[inLanguage] : asked
  const place = region?.trim() ?? ""
  const bound = language === null && region === null ? [user_input, model] : [user_input, model, language, region]
  return {
    request: {
      image: source,
      userInput: question,
      model: chosen,
      language: inLanguage,
      region: place === "" ? null : place
    },
    image,
    bodyHash:
      image === null || picture === null
        ? hash("sha256", JSON.stringify([image_url, ...bound]), "base64url")
        : picture.hash.update(`",${JSON.stringify(bound).slice(1)}`).digest("base64url")
  }
})
