/**
 * HttpFailure: from what a provider said in place of an answer (HTTP status, its codes and words), or from a failed connection,
 * to a ModelError. The rules are the same for all providers, because their codes do not collide and servers that speak the API
 * of another mix them. What an error then means is the table of FailureKinds.
 */
import { Jitter } from "@eco2/core"
import type { NameLookup } from "@eco2/core/net"
import { Duration, Effect } from "effect"
import { isIP } from "node:net"
import { getSystemErrorName } from "node:util"
import { excerpt } from "./Excerpt.ts"
import {
  ImageUnusable,
  ModelAccountExhausted,
  ModelInputTooLong,
  ModelRateLimited,
  ModelRefused,
  ModelTimeout,
  ModelUnauthorized,
  ModelUnavailable,
  ModelUnreachable,
  ModelUnsuitable,
  PictureUnavailable
} from "./ModelError.ts"
import type { Billed, ModelError } from "./ModelError.ts"

/** What a provider said in place of an answer. */
export interface Said {
  readonly provider: string
  readonly model: string
  /** The HTTP status; null for a failure inside a response that began well. */
  readonly status: number | null
  /** Every code, type and reason in the body; compared in lower case. */
  readonly codes: ReadonlyArray<string>
  /** The parameter that the provider names, or "". */
  readonly param: string
  /** The provider's words, as they are. */
  readonly words: string
  /** How long it asks to wait, in milliseconds; null: it does not say. */
  readonly retryAfterMillis: number | null
  readonly requestId: string | undefined
  /** Whether the request carried an image. */
  readonly hasImage: boolean
  /** Removed from the words, as what the user wrote is. */
  readonly key: string
  readonly userWords: ReadonlyArray<string>
}

/** No credit, no billing, or a budget or day that is used up. */
const accountCode =
  /^(insufficient_quota|quota_exceeded|billing_[a-z_]+|[a-z_]*spend(ing)?_(limit|cap)[a-z_]*|insufficient_(balance|funds|credits?)|payment_required|budget_exceeded|credit_[a-z_]+|account_deactivated)$/
const accountWords =
  /\bbilling\b|current quota|credit balance|(out of|no|insufficient|not enough|more) (credits?|balance|funds|quota)|(spend(ing)?|usage|budget|monthly|daily) (limit|cap|budget)|budget has been exceeded|payment required|limit: 0\b|per ?day/i
/** Under these an account's limit is told too. */
const accountStatus = (status: number | null) => [400, 402, 403, 422, 429].includes(status ?? 0)

const keyCode = /^(invalid_api_key|api_key_[a-z_]+|authentication_error|invalid_authentication|unauthenticated)$/

const imageCode =
  /^(invalid_image(_format|_url|_mode|_size)?|invalid_base64_image|image_(too_large|too_small|parse_error|file_too_large|file_not_found)|unsupported_image(_media_type|_format)?|empty_image_file|failed_to_download_image)$/
const imageWords =
  /(download|fetch|retriev|load|open|process|decode|read|pars)\w* (the |your |input |this )*(provided )?(image|picture|file|media)|(image|picture|mime ?type)s?\b.{0,60}(invalid|unsupported|not (supported|valid)|corrupt|too (large|small|big)|malformed|cannot|could not|unable)|(invalid|unsupported|corrupt\w*|malformed) (base64 |input )?(image|picture|mime ?type|file)|(downloading|fetching) (file|image|http)|must be (an? )?(image|base64)/i
/** The picture's server had a moment's trouble, as the provider tells it. */
const hostHiccup =
  /time[d-]?\s?-?out while (downloading|fetching)|(downloading|fetching|download|fetch)\b.{0,80}(timed? ?-?out|upstream status code: (429|5\d\d)|connection (reset|refused|error)|temporar)/i

const tooLongCode =
  /^(context_length_exceeded|context_window_exceeded|string_above_max_length|request_too_large|exceed_context_size_error|tokens_limit_reached)$/
const tooLongWords =
  /context (length|window|size)|maximum (context|input|prompt)|(prompt|input|request|message)s?\b.{0,40}(is |are )?too (long|large|many tokens)|too many (input )?tokens|token count .{0,40}exceeds|(exceeds?|longer than|reduce the length).{0,60}(tokens|context|length of the)/i

const filterCode =
  /^(content_policy_violation|content_filter|responsibleaipolicyviolation|moderation_blocked|image_content_policy_violation|invalid_prompt|content_blocked|prohibited_content|safety|flagged|bio_policy|cyber_policy_violation)$/
const filterWords = /flagged|moderation|content (management )?policy|safety (system|filter)|usage polic|responsible ai/i

const modelCode =
  /^(model_not_found|model_not_available|model_not_supported|model_deprecated|model_decommissioned|model_retired|invalid_model|deploymentnotfound|unsupported_(parameter|value|model|format)|unknown_parameter|invalid_json_schema|invalid_schema|extra_forbidden|not_found_error|invalid_function_parameters)$/
const modelWords =
  /\bmodels?\b.{0,80}(not (found|exist|available|supported|loaded)|does(n't| not) (exist|support)|deprecated|decommissioned|shut ?down|retired|no longer|discontinued|unknown|invalid)|(unknown|invalid|no such|unsupported|deprecated) model|no longer (available|supported)|unsupported parameter|(unknown|unrecognized|unexpected|unsupported|extra) ((request |keyword )?(argument|parameter|field|name|value|input)s?)|extra (inputs|fields) (are )?not permitted|only supported|does(n't| not) support|not supported|unsupported value|(invalid|unsupported|too (complex|large|many)).{0,30}schema|schema.{0,60}(invalid|too (complex|large|many)|not (supported|valid))|response_?format|json_schema|unknown name/i
const noPictures = /image inputs? (is|are) not supported|does(n't| not) support images?|mmproj/i
/** Parameters that carry what users sent; a complaint about any other is one about our request. */
const carriesContent = /^(?:|input|messages?|contents?|prompt)(?:[.[].*)?$/i

const loading =
  /\bload(ing)?\b.{0,20}\bmodel|model.{0,20}\b(is )?(still |currently )?loading|overloaded|try again (later|in)/i

/** The error for a response that is no answer. */
export const fromSaid = (said: Said): ModelError => {
  const { hasImage, model, param, provider, retryAfterMillis, status } = said
  const codes = said.codes.map((code) => code.toLowerCase())
  // what users sent may be quoted, but the beginning is the provider's
  const words = said.words.slice(0, 600)
  const has = (code: RegExp) => codes.some((one) => code.test(one))
  const http = status === null ? "" : ` (HTTP ${status})`
  const facts = (billed?: Billed) => ({
    provider,
    model,
    ...(said.words === "" ? {} : { excerpt: excerpt(said.words, said.key, said.userWords) }),
    ...(said.requestId === undefined ? {} : { requestId: excerpt(said.requestId, said.key) }),
    ...(billed === undefined ? {} : { billed })
  })
  const isRejected = status === null || (status >= 400 && status < 500)
  const unsuitable = (what: string) =>
    new ModelUnsuitable({ ...facts(), message: `${model} of ${provider} ${what}${http}` })
  const refused = (reason: "filter" | "request", message: string) =>
    new ModelRefused({ excerpt: "", ...facts(), reason, message: `${message}${http}` })

  // llama.cpp says so with a 500
  if (hasImage && noPictures.test(words)) return unsuitable("reads no pictures")
  if (isRejected) {
    const isPictureSize = hasImage && status === 413
    if (
      has(tooLongCode) ||
      (!isPictureSize && status !== 401 && status !== 404 && tooLongWords.test(words) && !loading.test(words))
    ) {
      return new ModelInputTooLong({ ...facts(), message: `the request is longer than ${model} takes${http}` })
    }
    if (status === 402 || has(accountCode) || (accountStatus(status) && !has(filterCode) && isAccount(said, words))) {
      return new ModelAccountExhausted({
        ...facts(),
        ...(status === 429 && !has(accountCode) && isModelsOwn(model, words) ? { of: "model" as const } : {}),
        message: `the account at ${provider} has no credit or budget left${http}`
      })
    }
    // Gemini: an account without access, or in a country that is not served
    if (status === 401 || has(keyCode) || has(/^failed_precondition$/)) {
      return new ModelUnauthorized({ ...facts(), message: `${provider} does not accept the key for ${model}${http}` })
    }
    const isAboutPicture =
      hasImage && (has(imageCode) || (!modelWords.test(words.replace(imageWords, "")) && imageWords.test(words)))
    if ((status === null || status === 400 || status === 422) && hasImage && hostHiccup.test(words)) {
      return new PictureUnavailable({
        ...facts(),
        message: `the picture's server did not give it to ${provider}${http}`
      })
    }
    if (has(filterCode) || (status !== 404 && status !== 429 && filterWords.test(words))) {
      return refused("filter", `${provider} does not allow the request to ${model}`)
    }
    if (status !== 401 && status !== 429 && (has(imageCode) || isAboutPicture)) {
      return new ImageUnusable({ ...facts(), message: `${provider} cannot read the picture${http}` })
    }
    if (hasImage && (status === 413 || status === 415)) {
      return new ImageUnusable({
        ...facts(),
        message: `${provider} does not take a picture of this size or type${http}`
      })
    }
    if (status === 413) {
      return new ModelInputTooLong({ ...facts(), message: `the request is longer than ${model} takes${http}` })
    }
    if (has(modelCode) || status === 404 || status === 405 || status === 410)
      return unsuitable("is not served as we ask for it")
    if (status === 403) {
      return /\b(model|deployment)/i.test(words)
        ? unsuitable("is not served to this key")
        : new ModelUnauthorized({ ...facts(), message: `${provider} does not accept the key for ${model}${http}` })
    }
  }
  switch (status) {
    case 408:
      return new ModelTimeout({ ...facts(), message: `${provider} gave up waiting for ${model}${http}` })
    case 429:
      return new ModelRateLimited({
        ...facts(),
        message: `${provider} limits calls to ${model}${http}`,
        retryAfterMillis
      })
    // conflict and "too early" depend on the moment, not on the request
    case 409:
    case 425:
      return new ModelUnavailable({ ...facts("no"), message: `${provider} cannot serve ${model} now${http}` })
    case 501:
      return unsuitable("is not served as we ask for it")
  }
  if (has(/^(rate_limit_exceeded|rate_limit_error|resource_exhausted|too_many_requests)$/)) {
    return new ModelRateLimited({
      ...facts(),
      message: `${provider} limits calls to ${model}${http}`,
      retryAfterMillis
    })
  }
  if (
    status === null ? !has(/^(invalid_request_error|invalid_argument|bad_request)$/) : status < 400 || status >= 500
  ) {
    return new ModelUnavailable({ ...facts(), message: `${provider} cannot serve ${model} now${http}` })
  }
  // the same parameters go with every user's request
  if (!carriesContent.test(param) || modelWords.test(words)) return unsuitable("does not take our parameters")
  return refused("request", `${provider} refuses the request to ${model}`)
}

/**
 * A 429 with a time to wait is a rate limit, whatever page it points to, unless it speaks of a day or of a limit of zero: those
 * times are no help.
 */
const isAccount = ({ retryAfterMillis, status }: Said, words: string): boolean => {
  if (!accountWords.test(words)) return false
  if (status !== 429) return true
  return (
    /limit: 0\b|per ?day|daily|monthly/i.test(words) ||
    (retryAfterMillis === null && !/per ?(minute|second)/i.test(words))
  )
}

/** Whether a used-up day is that of one model: it is named, or its quota is one for each model. */
const isModelsOwn = (model: string, words: string): boolean =>
  /per ?model/i.test(words) || words.toLowerCase().includes(model.toLowerCase())

/** How long a call waits that did not leave this process's network. */
const awayMillis = 10_000
/** Name servers that answer at all have answered by then, the second one too. */
const nameKnownWithin = Duration.seconds(2)

/**
 * Codes of a failure on our side of the network: no name server answers or knows the provider, no route, no free port or file, a
 * firewall here. EHOSTUNREACH and ECONNREFUSED may be the provider's.
 */
const isOurs = (code: string): boolean =>
  /^(?:EAI_[A-Z]+|ENOTFOUND|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL|EMFILE|ENFILE|ENOBUFS|ENOMEM|EACCES|EPERM)$/.test(code)

/** Codes of a connection that was not made. */
const notConnected: ReadonlySet<string> = new Set(["ECONNREFUSED", "EHOSTUNREACH", "CONNECT_TIMEOUT"])

/**
 * The error for a request that got no complete response; `cause` is what fetch or the client threw.
 * - ModelUnreachable: the failure is ours, and nothing was sent. The time for a connection includes that for the name, so after
 *   a connection time-out the name servers are asked for the name of `url`: if they do not answer, it was ours too
 */
export const fromConnection = Effect.fnUntraced(function* (
  call: { readonly provider: string; readonly model: string; readonly requestId?: string },
  options: { readonly url: string; readonly lookup: NameLookup.NameLookup },
  cause: unknown
): Effect.fn.Return<ModelError> {
  const codes = networkCodes(cause)
  const [code = null] = codes
  const isUnknown = code === "CONNECT_TIMEOUT" && !(yield* isNameKnown(options))
  if (isUnknown || (codes.length > 0 && codes.every(isOurs))) {
    return new ModelUnreachable({
      ...call,
      message: `no connection from here to ${call.provider} (${isUnknown ? "no name server answers" : code})`,
      retryAfterMillis: Jitter.millis(awayMillis)
    })
  }
  return new ModelUnavailable({
    ...call,
    message: `no complete response from ${call.provider} for ${call.model}${code === null ? "" : ` (${code})`}`,
    // nothing was sent where no connection was made
    ...(code !== null && notConnected.has(code) ? { billed: "no" as const } : {})
  })
})

/** Whether the name servers have an address for the provider now. */
const isNameKnown = ({ lookup, url }: { readonly url: string; readonly lookup: NameLookup.NameLookup }) => {
  const host = URL.parse(url)?.hostname.replace(/^\[|\]$/g, "") ?? ""
  if (isIP(host) !== 0) return Effect.succeed(true)
  return lookup(host, { search: true }).pipe(
    Effect.timeout(nameKnownWithin),
    Effect.match({ onSuccess: () => true, onFailure: () => false })
  )
}

/**
 * The system's code (`ECONNREFUSED`) is nested some causes deep; one for each address that was tried. Deno's fetch only has its
 * number at the end of a message, and none for a name.
 */
const networkCodes = (thrown: unknown): ReadonlyArray<string> => {
  let error = thrown
  for (let depth = 0; depth < 6 && error instanceof Error; depth++) {
    if (error instanceof AggregateError && error.errors.length > 0) return error.errors.flatMap(networkCodes)
    if ("code" in error && typeof error.code === "string" && /^[A-Z][A-Z_]{3,40}$/.test(error.code)) return [error.code]
    const [, number] = /\(os error (\d+)\)$/.exec(error.message) ?? []
    if (number !== undefined) return [getSystemErrorName(-Number(number))]
    if (/\bdns error\b/.test(error.message)) return ["EAI_FAIL"]
    error = error.cause
  }
  return []
}
