/**
 * What providers do on the wire, and what it means to us: for each behaviour the error or the value, whom it concerns, whether it
 * is billed, and how many requests were made. The bodies are those that OpenAI, Azure, Google and the servers that speak
 * OpenAI's APIs send.
 */
import { layer } from "@effect/vitest"
import { assertTrue, deepStrictEqual } from "@effect/vitest/utils"
import { Effect, Layer } from "effect"
import { billedOf, kindOf } from "../../../packages/actors/src/model/FailureKinds.ts"
import type { FailureKind } from "../../../packages/actors/src/model/FailureKinds.ts"
import type { Billed, ModelError } from "../../../packages/actors/src/model/ModelError.ts"
import type { AnswerModel } from "../../../packages/actors/src/model/AnswerModel.ts"
import type { VisionModel } from "../../../packages/actors/src/model/VisionModel.ts"
import { usualAnswer, usualClassification } from "../../harness/FakeModelServer.ts"
import type { Api, Outcome } from "../../harness/FakeModelServer.ts"
import { answer, classify, FakeModels, modelsFrom, secret } from "./ModelContract.ts"

type Expected =
  | "value"
  | {
      readonly tag: ModelError["_tag"]
      readonly scope: FailureKind["scope"]
      readonly billed: Billed
      readonly waitMillis?: number | null
      readonly requestId?: string
    }

interface Behaviour {
  readonly claim: string
  /** Default: all three. */
  readonly at?: ReadonlyArray<Api>
  /** Default: an answer, which carries no picture. */
  readonly vision?: boolean
  /** Follows the answer as it grows. */
  readonly isStreamed?: boolean
  readonly wire: (api: Api) => Outcome
  readonly is: Expected
  /** Requests. Default 1. */
  readonly calls?: number
}

const openAi: ReadonlyArray<Api> = ["openai", "chat"]
const gemini: ReadonlyArray<Api> = ["gemini"]

const http = (status: number, body: unknown, headers: Record<string, string> = {}): Outcome => ({
  _tag: "Http",
  status,
  body: typeof body === "string" ? body : JSON.stringify(body),
  headers
})
/** An error in OpenAI's shape. */
const said = (
  status: number,
  message: string,
  facts: { readonly code?: string | null; readonly type?: string; readonly param?: string | null } = {},
  headers: Record<string, string> = {}
) => http(status, { error: { message, type: "invalid_request_error", param: null, code: null, ...facts } }, headers)
/** In Google's. */
const google = (code: number, status: string, message: string, details: ReadonlyArray<object> = []) =>
  http(code, { error: { code, message, status, details } })
const quota = (quotaId: string, quotaValue = "20") => ({
  "@type": "type.googleapis.com/google.rpc.QuotaFailure",
  violations: [{ quotaMetric: "generativelanguage.googleapis.com/requests", quotaId, quotaValue }]
})
const retryIn = (retryDelay: string) => ({ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay })

/** A whole response of each API, with changes to what is beside the answer. */
const reply = (
  api: Api,
  text: unknown,
  changes: { readonly top?: object; readonly message?: object; readonly finish?: string; readonly usage?: unknown } = {}
): Outcome => {
  const { finish, message = {}, top = {} } = changes
  const usage = "usage" in changes ? { usage: changes.usage, usageMetadata: changes.usage } : {}
  switch (api) {
    case "openai":
      return http(200, {
        id: "r",
        status: finish === undefined ? "completed" : "incomplete",
        incomplete_details: finish === undefined ? null : { reason: finish },
        output: [{ type: "message", content: [{ type: "output_text", text, ...message }] }],
        ...usage,
        ...top
      })
    case "chat":
      return http(200, {
        id: "c",
        choices: [
          { index: 0, message: { role: "assistant", content: text, ...message }, finish_reason: finish ?? "stop" }
        ],
        ...usage,
        ...top
      })
    case "gemini":
      return http(200, {
        responseId: "g",
        candidates: [{ content: { role: "model", parts: [{ text, ...message }] }, finishReason: finish ?? "STOP" }],
        ...usage,
        ...top
      })
  }
}
const json = JSON.stringify(usualAnswer)
const sse = (...events: ReadonlyArray<unknown>): Outcome => ({
  _tag: "Events",
  events: events.map((data) => `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`)
})

const account = { tag: "ModelAccountExhausted", scope: "account", billed: "no" } as const
const key = { tag: "ModelUnauthorized", scope: "account", billed: "no" } as const
const model_ = { tag: "ModelUnsuitable", scope: "model", billed: "no" } as const
const refused = { tag: "ModelRefused", scope: "job", billed: "no" } as const
const refusedPaid = { tag: "ModelRefused", scope: "job", billed: "yes" } as const
const tooLong = { tag: "ModelInputTooLong", scope: "job", billed: "no" } as const
const picture = { tag: "ImageUnusable", scope: "job", billed: "no" } as const
const hiccup = { tag: "PictureUnavailable", scope: "job", billed: "no" } as const
const limited = { tag: "ModelRateLimited", scope: "call", billed: "no" } as const
const away = { tag: "ModelUnavailable", scope: "call", billed: "unknown" } as const
const awayFree = { tag: "ModelUnavailable", scope: "call", billed: "no" } as const
const late = { tag: "ModelTimeout", scope: "call", billed: "unknown" } as const
const unusable = { tag: "ModelOutputInvalid", scope: "call", billed: "yes" } as const

const behaviours: ReadonlyArray<Behaviour> = [
  // the account
  {
    claim: "insufficient_quota as code",
    at: openAi,
    wire: () => said(429, "You exceeded your current quota", { code: "insufficient_quota" }),
    is: account
  },
  {
    claim: "insufficient_quota as type alone",
    at: openAi,
    wire: () => said(429, "no", { type: "insufficient_quota" }),
    is: account
  },
  {
    claim: "a used-up quota told in words alone",
    wire: () =>
      http(429, { error: { message: "You exceeded your current quota, please check your plan and billing details." } }),
    is: account
  },
  {
    claim: "billing_hard_limit_reached under 400",
    at: openAi,
    wire: () => said(400, "Billing hard limit has been reached", { code: "billing_hard_limit_reached" }),
    is: account
  },
  {
    claim: "billing_not_active under 429",
    at: openAi,
    wire: () =>
      said(429, "Your account is not active, please check your billing details", { code: "billing_not_active" }),
    is: account
  },
  {
    claim: "a spend limit under 403",
    at: openAi,
    wire: () => said(403, "Your project has reached its monthly spend limit."),
    is: account
  },
  { claim: "402", wire: () => http(402, { error: { message: "Insufficient credits. Add more." } }), is: account },
  { claim: "402 without a body", wire: () => http(402, ""), is: account },
  {
    claim: "OpenRouter's key limit",
    at: openAi,
    wire: () =>
      http(403, { error: { code: 403, message: "Key limit exceeded (monthly limit). Manage it with your credits" } }),
    is: account
  },
  {
    claim: "LiteLLM's budget under 400",
    at: openAi,
    wire: () =>
      http(400, {
        error: {
          message: "Budget has been exceeded! Current cost: 10.2, Max budget: 10.0",
          type: "budget_exceeded",
          param: null,
          code: "400"
        }
      }),
    is: account
  },
  { claim: "DeepSeek's balance", at: openAi, wire: () => said(402, "Insufficient Balance"), is: account },
  {
    claim: "FAILED_PRECONDITION about billing",
    at: gemini,
    wire: () =>
      google(
        400,
        "FAILED_PRECONDITION",
        "Gemini API free tier is not available in your country. Please enable billing on your project in Google AI Studio."
      ),
    is: account
  },
  {
    claim: "RESOURCE_EXHAUSTED of a day",
    at: gemini,
    wire: () =>
      google(
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
        [quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), retryIn("37s")]
      ),
    is: account
  },
  {
    claim: "RESOURCE_EXHAUSTED with a limit of zero",
    at: gemini,
    wire: () =>
      google(
        429,
        "RESOURCE_EXHAUSTED",
        "Quota exceeded for metric: free_tier_requests, limit: 0, model: gemini-3.8-flash",
        [quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "0"), retryIn("12s")]
      ),
    is: account
  },
  {
    claim: "a key that is wrong",
    wire: (api) =>
      api === "gemini"
        ? google(400, "INVALID_ARGUMENT", "API key not valid.", [{ reason: "API_KEY_INVALID" }])
        : said(401, "Incorrect API key provided", { code: "invalid_api_key" }),
    is: key
  },
  { claim: "401 without a body", wire: () => http(401, ""), is: key },
  {
    claim: "a key without permission",
    wire: () =>
      http(403, { error: { code: 403, message: "The caller does not have permission", status: "PERMISSION_DENIED" } }),
    is: key
  },
  {
    claim: "an API that is switched off in the project",
    at: gemini,
    wire: () =>
      google(
        403,
        "PERMISSION_DENIED",
        "Generative Language API has not been used in project 1 before or it is disabled."
      ),
    is: key
  },
  {
    claim: "a country that is not served",
    at: gemini,
    wire: () => google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
    is: key
  },
  { claim: "a firewall's HTML 403", wire: () => http(403, "<html><title>403 Forbidden</title></html>"), is: key },

  // the model
  {
    claim: "model_not_found under 404",
    at: openAi,
    wire: () => said(404, "The model `m` does not exist or you do not have access to it.", { code: "model_not_found" }),
    is: model_
  },
  {
    claim: "model_not_found under 400",
    at: openAi,
    wire: () => said(400, "The requested model 'm' does not exist.", { code: "model_not_found" }),
    is: model_
  },
  {
    claim: "model_not_found under 403",
    at: openAi,
    wire: () => said(403, "Project `p` does not have access to model `m`", { code: "model_not_found" }),
    is: model_
  },
  {
    claim: "NOT_FOUND",
    at: gemini,
    wire: () =>
      google(
        404,
        "NOT_FOUND",
        "models/m is not found for API version v1beta, or is not supported for generateContent."
      ),
    is: model_
  },
  {
    claim: "a model that was shut down",
    wire: () => http(404, { error: { message: "The model `m` has been deprecated, learn more here" } }),
    is: model_
  },
  { claim: "410", wire: () => http(410, { error: { message: "This model is gone" } }), is: model_ },
  {
    claim: "Groq's decommissioned model",
    at: openAi,
    wire: () =>
      said(400, "The model `m` has been decommissioned and is no longer supported.", { code: "model_decommissioned" }),
    is: model_
  },
  {
    claim: "Azure's missing deployment",
    at: openAi,
    wire: () =>
      http(404, {
        error: { code: "DeploymentNotFound", message: "The API deployment for this resource does not exist." }
      }),
    is: model_
  },
  {
    claim: "Ollama's missing model",
    at: openAi,
    wire: () =>
      http(404, { error: { message: "model 'm' not found", type: "not_found_error", param: null, code: null } }),
    is: model_
  },
  {
    claim: "vLLM's missing model, as it once said it",
    at: openAi,
    wire: () =>
      http(404, {
        object: "error",
        message: "The model `m` does not exist.",
        type: "NotFoundError",
        param: null,
        code: 404
      }),
    is: model_
  },
  {
    claim: "an unsupported parameter",
    at: openAi,
    wire: () =>
      said(400, "Unsupported parameter: 'temperature' is not supported with this model.", {
        code: "unsupported_parameter",
        param: "temperature"
      }),
    is: model_
  },
  {
    claim: "a parameter that was renamed",
    at: openAi,
    wire: () => said(400, "Unrecognized request argument supplied: instructions", { param: null }),
    is: model_
  },
  {
    claim: "a value that the model does not take",
    at: openAi,
    wire: () => said(400, "Invalid value: 'x'", { code: "invalid_value", param: "tool_choice" }),
    is: model_
  },
  {
    claim: "a field that FastAPI does not permit",
    at: openAi,
    wire: () =>
      http(422, {
        detail: [{ type: "extra_forbidden", loc: ["body", "truncation"], msg: "Extra inputs are not permitted" }]
      }),
    is: model_
  },
  {
    claim: "a schema that is invalid",
    at: openAi,
    wire: () =>
      said(400, "Invalid schema for response_format 'disposal_answer': In context=(), 'x' is required", {
        code: "invalid_json_schema",
        param: "text.format.schema"
      }),
    is: model_
  },
  {
    claim: "a schema that is too complex",
    at: gemini,
    wire: () =>
      google(
        400,
        "INVALID_ARGUMENT",
        "The specified schema produces a constraint that has too many states for serving."
      ),
    is: model_
  },
  {
    claim: "a field that Gemini does not know",
    at: gemini,
    wire: () =>
      google(
        400,
        "INVALID_ARGUMENT",
        "Invalid JSON payload received. Unknown name \"thinkingLevel\" at 'generation_config': Cannot find field."
      ),
    is: model_
  },
  {
    claim: "a thinking level that the model does not take",
    at: gemini,
    wire: () => google(400, "INVALID_ARGUMENT", "Thinking level is not supported for this model."),
    is: model_
  },
  {
    claim: "a model that reads no pictures",
    vision: true,
    at: openAi,
    wire: () => said(400, "This model does not support image inputs.", { param: "messages" }),
    is: model_
  },
  {
    claim: "llama.cpp without its projector",
    vision: true,
    at: openAi,
    wire: () =>
      http(500, {
        error: {
          code: 500,
          message: "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
          type: "server_error"
        }
      }),
    is: model_
  },
  { claim: "405", at: gemini, wire: () => http(405, "Method Not Allowed"), is: model_ },
  { claim: "501", at: gemini, wire: () => google(501, "UNIMPLEMENTED", "Operation is not implemented"), is: model_ },

  // the job
  { claim: "a refusal of the model", wire: () => ({ _tag: "Refusal" }), is: refusedPaid },
  {
    claim: "a content filter at the output",
    wire: (api) => (api === "gemini" ? reply(api, "", { finish: "SAFETY" }) : { _tag: "Filtered" }),
    is: refusedPaid
  },
  { claim: "a prompt that is blocked", at: gemini, wire: () => ({ _tag: "Filtered" }), is: refused },
  { claim: "recitation", at: gemini, wire: (api) => reply(api, "", { finish: "RECITATION" }), is: refusedPaid },
  {
    claim: "content_policy_violation",
    at: openAi,
    wire: () => said(400, "Your request was rejected by our safety system.", { code: "content_policy_violation" }),
    is: refused
  },
  {
    claim: "Azure's content filter",
    at: openAi,
    wire: () =>
      http(400, {
        error: {
          message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
          type: null,
          param: "prompt",
          code: "content_filter",
          status: 400,
          innererror: { code: "ResponsibleAIPolicyViolation" }
        }
      }),
    is: refused
  },
  {
    claim: "OpenRouter's moderation under 403",
    at: openAi,
    wire: () =>
      http(403, {
        error: {
          code: 403,
          message: "Your chosen model requires moderation and your input was flagged",
          metadata: { reasons: ["violence"], flagged_input: "x" }
        }
      }),
    is: refused
  },
  { claim: "a wrong request of which nothing is said", wire: () => http(400, "{}"), is: refused },
  {
    claim: "INVALID_ARGUMENT alone",
    at: gemini,
    wire: () => google(400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    is: refused
  },
  {
    claim: "context_length_exceeded",
    at: openAi,
    wire: () =>
      said(400, "Your input exceeds the context window of this model.", {
        code: "context_length_exceeded",
        param: "input"
      }),
    is: tooLong
  },
  {
    claim: "vLLM's context",
    at: openAi,
    wire: () =>
      http(400, {
        object: "error",
        message:
          "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens. Please reduce the length of the messages.",
        type: "BadRequestError",
        param: null,
        code: 400
      }),
    is: tooLong
  },
  {
    claim: "llama.cpp's context",
    at: openAi,
    wire: () =>
      http(400, {
        error: {
          code: 400,
          message: "the request exceeds the available context size, try increasing it",
          type: "exceed_context_size_error",
          n_prompt_tokens: 5000,
          n_ctx: 4096
        }
      }),
    is: tooLong
  },
  {
    claim: "Gemini's token count",
    at: gemini,
    wire: () =>
      google(
        400,
        "INVALID_ARGUMENT",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
      ),
    is: tooLong
  },
  {
    claim: "a request above the tokens of a minute",
    at: openAi,
    wire: () =>
      said(
        429,
        "Request too large for gpt-5.2 in organization org-1 on tokens per min (TPM): Limit 30000, Requested 45000.",
        { type: "tokens", code: "rate_limit_exceeded" }
      ),
    is: tooLong
  },
  { claim: "413 without a picture", wire: () => http(413, "too large"), is: tooLong },
  { claim: "413 with a picture", vision: true, wire: () => http(413, "Request Entity Too Large"), is: picture },
  { claim: "415 with a picture", vision: true, wire: () => http(415, ""), is: picture },
  {
    claim: "invalid_image_format",
    vision: true,
    at: openAi,
    wire: () => said(400, "You uploaded an unsupported image.", { code: "invalid_image_format" }),
    is: picture
  },
  {
    claim: "a picture told unreadable in words alone",
    vision: true,
    wire: (api) =>
      api === "gemini"
        ? google(400, "INVALID_ARGUMENT", "Unable to process input image. Please retry or report.")
        : said(400, "Failed to load image: cannot identify image file"),
    is: picture
  },
  {
    claim: "a picture's type that is not taken",
    vision: true,
    at: gemini,
    wire: () => google(400, "INVALID_ARGUMENT", "Unsupported MIME type: image/heic"),
    is: picture
  },
  {
    claim: "a picture that the provider cannot download",
    vision: true,
    at: openAi,
    wire: () =>
      said(400, "Error while downloading https://x.example/a.jpg. Upstream status code: 404.", {
        code: "invalid_image_url",
        param: "url"
      }),
    is: picture
  },
  {
    claim: "a picture's host that is slow for the provider",
    vision: true,
    at: openAi,
    wire: () =>
      said(400, "Timeout while downloading https://x.example/a.jpg.", { code: "invalid_image_url", param: "url" }),
    is: hiccup
  },
  {
    claim: "a picture's host that is broken for the provider",
    vision: true,
    at: openAi,
    wire: () =>
      said(400, "Error while downloading https://x.example/a.jpg. Upstream status code: 503.", {
        code: "invalid_image_url"
      }),
    is: hiccup
  },
  {
    claim: "an answer's error with the word image",
    wire: () => http(400, { error: { message: "image generation is off" } }),
    is: refused
  },

  // the call
  {
    claim: "429 with Retry-After",
    wire: () => http(429, "{}", { "retry-after": "3" }),
    is: { ...limited, waitMillis: 3_000 }
  },
  {
    claim: "429 with retry-after-ms",
    wire: () => http(429, "{}", { "retry-after-ms": "1500" }),
    is: { ...limited, waitMillis: 1_500 }
  },
  {
    claim: "429 with retryDelay",
    at: gemini,
    wire: () =>
      google(
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details. Please retry in 34s.",
        [quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"), retryIn("34.1s")]
      ),
    is: { ...limited, waitMillis: 34_100 }
  },
  {
    claim: "429 without a time",
    wire: () => http(429, { error: { message: "Resource has been exhausted (e.g. check quota)." } }),
    is: { ...limited, waitMillis: null }
  },
  {
    claim: "429 with x-ratelimit-reset-requests",
    at: openAi,
    wire: () =>
      said(
        429,
        "Rate limit reached",
        { code: "rate_limit_exceeded" },
        {
          "x-ratelimit-reset-requests": "120ms",
          "x-ratelimit-remaining-requests": "0",
          "x-ratelimit-reset-tokens": "6m0s",
          "x-ratelimit-remaining-tokens": "9000"
        }
      ),
    is: { ...limited, waitMillis: 120 }
  },
  {
    claim: "429 with x-ratelimit-reset-tokens",
    at: openAi,
    wire: () =>
      said(
        429,
        "Rate limit reached",
        { code: "rate_limit_exceeded" },
        { "x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-remaining-tokens": "0" }
      ),
    is: { ...limited, waitMillis: 360_000 }
  },
  {
    claim: "429 with both resets and nothing said of what is left",
    at: openAi,
    wire: () => http(429, "{}", { "x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "1m0.5s" }),
    is: { ...limited, waitMillis: 60_500 }
  },
  {
    claim: "429 with a Retry-After that is no time",
    at: openAi,
    wire: () => http(429, "{}", { "retry-after": "soon", "x-ratelimit-reset-requests": "2s" }),
    is: { ...limited, waitMillis: 2_000 }
  },
  { claim: "a proxy's HTML 429", wire: () => http(429, "<html><title>Too Many Requests</title></html>"), is: limited },
  { claim: "408", wire: () => http(408, "{}"), is: late },
  { claim: "409", wire: () => http(409, "{}"), is: awayFree },
  { claim: "425", wire: () => http(425, "{}"), is: awayFree },
  { claim: "500", wire: () => ({ _tag: "ServerError" }), is: away },
  { claim: "a proxy's HTML 502", wire: () => http(502, "<html><title>Bad gateway</title></html>"), is: away },
  {
    claim: "503 overloaded",
    wire: () =>
      http(503, {
        error: { code: 503, message: "The model is overloaded. Please try again later.", status: "UNAVAILABLE" }
      }),
    is: away
  },
  {
    claim: "a model that is still loading",
    at: openAi,
    wire: () => http(503, { error: { code: 503, message: "Loading model", type: "unavailable_error" } }),
    is: away
  },
  { claim: "504", wire: () => http(504, "upstream request timeout"), is: away },
  { claim: "529", wire: () => http(529, { error: { type: "overloaded_error", message: "Overloaded" } }), is: away },
  { claim: "a redirect, which is not followed", wire: () => http(307, "", { location: "/elsewhere" }), is: away },
  { claim: "a dropped connection", wire: () => ({ _tag: "Drop" }), is: away },
  { claim: "a response that is dropped halfway", wire: () => ({ _tag: "DropHalfway" }), is: away },
  {
    claim: "a 200 with a proxy's HTML",
    wire: () => http(200, "<html>Service maintenance</html>", { "content-type": "text/html" }),
    is: away
  },
  { claim: "a 200 with half a JSON", wire: () => http(200, '{"candidates":[{"con'), is: away },
  { claim: "a 200 without a body", wire: () => http(200, ""), is: away },
  {
    claim: "an error inside a 200",
    at: openAi,
    wire: () => http(200, { error: { code: "server_error", message: "The server had an error" } }),
    is: away
  },
  {
    claim: "OpenRouter's 429 inside a 200",
    at: openAi,
    wire: () => http(200, { id: "x", error: { code: 429, message: "Rate limit exceeded" } }),
    is: limited
  },
  {
    claim: "a response that the provider gave up",
    at: ["openai"],
    wire: () => http(200, { id: "r", status: "failed", error: null, output: [] }),
    is: away
  },

  // paid, and not usable
  { claim: "no text", wire: () => ({ _tag: "Text", text: "" }), is: unusable },
  { claim: "a null for a text", wire: (api) => reply(api, null), is: unusable },
  {
    claim: "no choice at all",
    at: ["chat", "gemini"],
    wire: (api) => http(200, api === "chat" ? { id: "c", choices: [] } : { responseId: "g", candidates: [] }),
    is: unusable
  },
  { claim: "an output at its bound", wire: () => ({ _tag: "CutOff" }), is: unusable },
  { claim: "words without JSON", wire: () => ({ _tag: "Text", text: "그냥 버리세요" }), is: unusable },
  {
    claim: "a field of another type",
    wire: () => ({ _tag: "Text", text: JSON.stringify({ ...usualAnswer, disposal_steps: "하나" }) }),
    is: unusable
  },
  {
    claim: "a field that is missing",
    wire: () => ({ _tag: "Text", text: JSON.stringify({ insufficiencies: [] }) }),
    is: unusable
  },
  {
    claim: "a text of blanks",
    wire: () => ({ _tag: "Text", text: JSON.stringify({ ...usualAnswer, user_answer: " \n" }) }),
    is: unusable
  },
  { claim: "two answers", wire: () => ({ _tag: "Text", text: `${json}\n${json}` }), is: unusable },
  {
    claim: "a category that does not exist",
    vision: true,
    wire: () => ({
      _tag: "Text",
      text: JSON.stringify({
        ...usualClassification,
        major_category: "우주쓰레기",
        middle_category: null,
        minor_category: "위성 조각"
      })
    }),
    is: unusable
  },
  {
    claim: "a malformed function call",
    at: gemini,
    wire: (api) => reply(api, "", { finish: "MALFORMED_FUNCTION_CALL" }),
    is: unusable
  },

  // paid, and usable all the same
  {
    claim: "an answer in a code fence",
    wire: () => ({ _tag: "Text", text: `\`\`\`json\n${json}\n\`\`\`` }),
    is: "value"
  },
  {
    claim: "an answer after thoughts",
    wire: () => ({ _tag: "Text", text: `<think>{"a":1} hm</think>\n${json}` }),
    is: "value"
  },
  {
    claim: "an answer within a sentence",
    wire: () => ({ _tag: "Text", text: `Sure: ${json} — that is all.` }),
    is: "value"
  },
  {
    claim: "an answer without the side fields",
    wire: () => ({ _tag: "Text", text: JSON.stringify({ ...usualAnswer, insufficiencies: null }) }),
    is: "value"
  },
  {
    claim: "an answer with more fields",
    wire: () => ({ _tag: "Text", text: JSON.stringify({ confidence: 0.5, ...usualAnswer, notes: {} }) }),
    is: "value"
  },
  { claim: "an answer without usage", wire: (api) => reply(api, json), is: "value" },
  { claim: "an answer with a null usage", wire: (api) => reply(api, json, { usage: null }), is: "value" },
  {
    claim: "an answer whose usage is of odd types",
    wire: (api) =>
      reply(api, json, {
        usage: {
          input_tokens: "12",
          prompt_tokens: null,
          promptTokenCount: 1.5,
          completion_tokens: -4,
          output_tokens_details: []
        }
      }),
    is: "value"
  },
  {
    claim: "an answer with refusal null",
    at: openAi,
    wire: (api) => reply(api, json, { message: { refusal: null } }),
    is: "value"
  },
  {
    claim: "an answer with an empty refusal",
    at: openAi,
    wire: (api) => reply(api, json, { message: { refusal: "" } }),
    is: "value"
  },
  {
    claim: "a whole answer that is called incomplete",
    wire: (api) =>
      reply(api, json, { finish: { openai: "max_output_tokens", chat: "length", gemini: "MAX_TOKENS" }[api] }),
    is: "value"
  },
  {
    claim: "an answer with an end that nobody knows",
    wire: (api) => reply(api, json, api === "openai" ? { top: { status: "splendid" } } : { finish: "SPLENDID" }),
    is: "value"
  },
  {
    claim: "an answer with unknown fields around it",
    wire: (api) => reply(api, json, { top: { object: 7, created: "now", service_tier: null, x: { y: [] } } }),
    is: "value"
  },
  {
    claim: "an answer as a list of parts",
    at: ["chat"],
    wire: (api) =>
      reply(api, [
        { type: "text", text: json.slice(0, 20) },
        { type: "text", text: json.slice(20) }
      ]),
    is: "value"
  },
  {
    claim: "an answer as one text instead of parts",
    at: ["openai"],
    wire: () => http(200, { id: "r", status: "completed", output: [{ type: "message", content: json }] }),
    is: "value"
  },
  {
    claim: "an answer beside reasoning",
    at: ["openai"],
    wire: () =>
      http(200, {
        id: "r",
        status: "completed",
        output: [
          { type: "reasoning", summary: [{ text: "hm" }] },
          null,
          { type: "message", content: [{ type: "output_text", text: json }] }
        ]
      }),
    is: "value"
  },
  {
    claim: "an answer behind a thought",
    at: gemini,
    wire: () =>
      http(200, {
        candidates: [
          {
            content: { parts: [{ text: '{"user_answer":"no"}', thought: true }, { text: json }] },
            finishReason: "STOP"
          }
        ]
      }),
    is: "value"
  },
  {
    claim: "an answer with error null",
    at: openAi,
    wire: (api) => reply(api, json, { top: { error: null } }),
    is: "value"
  },
  {
    claim: "an answer after blanks that keep the connection open",
    wire: (api) => {
      const whole = reply(api, json)
      return whole._tag === "Http" ? { ...whole, body: `\n\n   ${whole.body}` } : whole
    },
    is: "value"
  },

  // streams
  {
    claim: "an error within a stream",
    at: openAi,
    isStreamed: true,
    wire: () => sse({ type: "error", error: { code: "server_error", message: "sorry" } }),
    is: away
  },
  {
    claim: "a rate limit within a stream",
    at: openAi,
    isStreamed: true,
    wire: () => sse({ type: "error", error: { code: "rate_limit_exceeded", message: "slow down" } }),
    is: limited
  },
  {
    claim: "an error within a stream of Gemini",
    at: gemini,
    isStreamed: true,
    wire: () => sse({ error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" } }),
    is: away
  },
  {
    claim: "a stream whose pieces are no JSON",
    at: openAi,
    isStreamed: true,
    wire: () => sse("{", "nonsense"),
    is: away
  },
  {
    claim: "a stream that is done without an end",
    at: ["chat"],
    isStreamed: true,
    wire: () => sse({ choices: [{ delta: { content: json } }] }, "[DONE]"),
    is: away
  },
  {
    claim: "a stream with comments and no usage",
    at: ["chat"],
    isStreamed: true,
    wire: () => ({
      _tag: "Events",
      events: [
        ": OPENROUTER PROCESSING\n\n",
        `data: ${JSON.stringify({ choices: [{ delta: { content: json }, finish_reason: "stop" }] })}\n\n`,
        "data: [DONE]\n\n"
      ]
    }),
    is: "value"
  },
  {
    claim: "a stream whose connection drops behind its end",
    at: ["chat"],
    isStreamed: true,
    wire: () => ({
      _tag: "Events",
      isDropped: true,
      events: [`data: ${JSON.stringify({ choices: [{ delta: { content: json }, finish_reason: "stop" }] })}\n\n`]
    }),
    is: "value"
  },
  {
    claim: "a stream whose last event has no output",
    at: ["openai"],
    isStreamed: true,
    wire: () =>
      sse(
        { type: "response.output_text.delta", delta: json },
        { type: "response.completed", response: { id: "r", status: "completed", output: [] } }
      ),
    is: "value"
  },

  // names of calls
  {
    claim: "x-request-id",
    at: openAi,
    wire: () => http(500, "{}", { "x-request-id": "req_1" }),
    is: { ...away, requestId: "req_1" }
  },
  {
    claim: "Azure's apim-request-id",
    at: openAi,
    wire: () => http(400, "{}", { "x-request-id": "", "apim-request-id": "az_1" }),
    is: { ...refused, requestId: "az_1" }
  },
  { claim: "responseId", at: gemini, wire: (api) => reply(api, "no JSON"), is: { ...unusable, requestId: "g" } },

  // what a server turns out not to know: refused requests are followed by another
  {
    claim: "a server that takes no schema",
    at: openAi,
    wire: () => said(400, "response_format json_schema is not supported by this model", { param: "response_format" }),
    is: "value",
    calls: 2
  },
  {
    claim: "a server that does not know max_tokens",
    at: ["chat"],
    wire: () =>
      said(
        400,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        { code: "unsupported_parameter", param: "max_tokens" }
      ),
    is: "value",
    calls: 2
  },
  {
    claim: "a server that keeps nothing and says so",
    at: ["openai"],
    wire: () =>
      http(422, {
        detail: [{ type: "extra_forbidden", loc: ["body", "store"], msg: "Extra inputs are not permitted" }]
      }),
    is: "value",
    calls: 2
  },
  {
    claim: "a server that does not know stream_options",
    at: ["chat"],
    isStreamed: true,
    wire: () => said(400, "Unrecognized request argument supplied: stream_options"),
    is: "value",
    calls: 2
  }
]

const adapters: ReadonlyArray<{
  readonly api: Api
  readonly title: string
  readonly env: (url: string, n: number) => Record<string, string>
}> = [
  {
    api: "openai",
    title: "Responses",
    env: (url, n) => ({
      OPENAI_API: "responses",
      OPENAI_API_KEY: secret,
      OPENAI_BASE_URL: `${url}/v1`,
      OPENAI_MODELS: `m${n}`,
      GEMINI_MODELS: ""
    })
  },
  {
    api: "chat",
    title: "Chat Completions",
    env: (url, n) => ({
      OPENAI_API: "chat",
      OPENAI_API_KEY: secret,
      OPENAI_BASE_URL: `${url}/v1`,
      OPENAI_MODELS: `m${n}`,
      GEMINI_MODELS: ""
    })
  },
  {
    api: "gemini",
    title: "Gemini",
    env: (url, n) => ({ GEMINI_API_KEY: secret, GEMINI_BASE_URL: url, GEMINI_MODELS: `m${n}`, OPENAI_MODELS: "" })
  }
]

for (const { api, env, title } of adapters) {
  layer(FakeModels.layer)(`over ${title}`, (it) => {
    for (const [n, { at, calls = 1, claim, is, isStreamed = false, vision = false, wire }] of behaviours.entries()) {
      if (at !== undefined && !at.includes(api)) continue
      it.effect(`${claim} is ${is === "value" ? "an answer" : is.tag}`, () =>
        Effect.gen(function* () {
          const server = yield* FakeModels
          server.reset()
          server.next(vision ? "vision" : "answer", wire(api))
          // a model of its own, as what a server does not know is remembered
          const name = `m${n}`
          const asked: Effect.Effect<unknown, ModelError, VisionModel | AnswerModel> = vision
            ? classify(name)
            : answer(name, "?", isStreamed ? () => undefined : undefined)
          const call = asked.pipe(Effect.provide(Layer.orDie(modelsFrom(env(server.url, n)))))
          const result = yield* Effect.result(call)
          deepStrictEqual(server.calls.length, calls)
          if (is === "value" || result._tag === "Success") {
            const failure = result._tag === "Failure" ? `${result.failure._tag}: ${result.failure.message}` : "value"
            return deepStrictEqual(failure, is === "value" ? "value" : is.tag)
          }
          const error = result.failure
          const { requestId, scope, tag, billed } = is
          deepStrictEqual([error._tag, kindOf(error).scope, billedOf(error)], [tag, scope, billed])
          if (is.waitMillis !== undefined) {
            deepStrictEqual(error._tag === "ModelRateLimited" ? error.retryAfterMillis : undefined, is.waitMillis)
          }
          if (requestId !== undefined) deepStrictEqual(error.requestId, requestId)
          assertTrue((error.excerpt ?? "").length <= 200)
        })
      )
    }
  })
}
