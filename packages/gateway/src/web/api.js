/**
 * Api: the scan calls of the page, and their replies. app.js and follow.js decide what a reply means to the user, i18n.js the
 * text of an error.
 */

/**
 * @typedef {object} ScanRequest
 * @property {string} image_url http(s) or data URL
 * @property {string | null} user_input
 * @property {string | null} model null: the default
 * @property {import("./i18n.js").Language} language of the answer
 */
/** @typedef {{ readonly job_id: string, readonly stream_url: string, readonly result_url: string }} AcceptedScan */
/** @typedef {{ readonly code?: string, readonly message?: string, readonly stage?: string | null, readonly attempts?: number }} ScanError */
/** @typedef {{ readonly name: string, readonly dialog?: string, readonly match_reason?: string, readonly type?: string, readonly received?: boolean }} Reward */
/** @typedef {{ readonly major_category?: string, readonly middle_category?: string | null, readonly minor_category?: string | null }} Classification */
/**
 * @typedef {object} ClassificationResult
 * @property {Classification} [classification]
 * @property {ReadonlyArray<string>} [situation_tags]
 * @property {Classification & { readonly situation_tags?: ReadonlyArray<string> }} [display] the words in the job's language; absent where they are the same
 * @property {{ readonly user_input?: string }} [meta]
 */
/**
 * @typedef {object} FinalAnswer
 * @property {Readonly<Record<string, string>>} [disposal_steps] keyed 단계1, 단계2, …
 * @property {ReadonlyArray<string>} [insufficiencies]
 * @property {string} [user_answer]
 */
/**
 * @typedef {object} ResultBody a job that has ended
 * @property {string} [task_id]
 * @property {string} status completed, failed or cancelled
 * @property {string} [message]
 * @property {{ readonly classification_result?: ClassificationResult | null, readonly disposal_rules?: Readonly<Record<string, unknown>> | null, readonly final_answer?: FinalAnswer | null } | null} [pipeline_result]
 * @property {Reward | null} [reward]
 * @property {ScanError | null} [error]
 * @property {Readonly<Record<string, unknown>> | null} [metadata]
 */
/** @typedef {{ readonly current_stage?: string | null, readonly progress?: number | null }} OpenBody a job still open */
/** @typedef {{ readonly kind: "ended", readonly body: ResultBody } | { readonly kind: "open", readonly body: OpenBody, readonly retryAfterMillis: number } | { readonly kind: "gone" }} ResultReply */

/** The server refused or failed. Nothing was started, except with a 5xx `status`, where that is unknown. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string | null} code
   * @param {string | null} detail
   */
  constructor(status, code, detail) {
    super(detail ?? code ?? String(status))
    this.status = status
    this.code = code
    this.detail = detail
  }
}

/** No answer came: the request may have been carried out or not. */
export class Unreachable extends Error {}

/** The caller stopped the request; it may have been carried out or not. */
export class Stopped extends Unreachable {}

const UPLOAD_MILLIS = 180_000

/** @param {unknown} value @returns {value is Record<string, unknown>} */
const isRecord = (value) => typeof value === "object" && value !== null && !Array.isArray(value)

/** The detail of an error body as one sentence: text, `{message}` or a validation list. @param {unknown} detail */
const detailText = (detail) => {
  if (typeof detail === "string") return detail
  if (isRecord(detail) && typeof detail["message"] === "string") return detail["message"]
  if (!Array.isArray(detail)) return null
  const lines = detail.flatMap((entry) => {
    if (!isRecord(entry)) return []
    const where = Array.isArray(entry["loc"]) ? entry["loc"].filter((part) => part !== "body").join(".") : ""
    return [[where, entry["msg"]].filter(Boolean).join(": ")]
  })
  return lines.length === 0 ? null : lines.join(" · ")
}

/**
 * @param {string} url
 * @param {RequestInit} init
 * @param {number} timeoutMillis
 */
const call = async (url, init, timeoutMillis) => {
  try {
    const response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(timeoutMillis), ...init })
    const text = await response.text()
    return { response, text }
  } catch (cause) {
    throw new Unreachable("no answer from the server", { cause })
  }
}

/** @param {string} text @returns {unknown} */
const parsed = (text) => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** @param {{ readonly status: number }} response @param {string} text */
const refusal = (response, text) => {
  const body = parsed(text)
  if (!isRecord(body)) return new ApiError(response.status, null, null)
  const detail = body["detail"]
  const inner = isRecord(detail) ? detail["error"] : undefined
  const code = body["code"] ?? inner
  return new ApiError(response.status, typeof code === "string" ? code : null, detailText(detail))
}

/** A Retry-After of seconds, kept between one and thirty. @param {Response} response */
const retryAfterMillis = (response) => {
  const seconds = Number(response.headers.get("retry-after") ?? "2")
  return Math.min(30, Math.max(1, Number.isFinite(seconds) ? seconds : 2)) * 1000
}

/** The addresses of a job's stream and result, made from its id. @param {string} jobId */
export const urlsOf = (jobId) => ({
  streamUrl: `/api/v1/scan/${jobId}/events`,
  resultUrl: `/api/v1/scan/${jobId}/result`
})

/**
 * The models on offer; null if the list cannot be loaded; the page works without it.
 * @returns {Promise<{ readonly models: ReadonlyArray<string>, readonly default: string } | null>}
 */
export const fetchModels = async () => {
  try {
    const { response, text } = await call("/api/v1/scan/models", {}, 20_000)
    const body = parsed(text)
    if (!response.ok || !isRecord(body) || !Array.isArray(body["models"])) return null
    const models = body["models"].filter((model) => typeof model === "string")
    return { models, default: typeof body["default"] === "string" ? body["default"] : (models[0] ?? "") }
  } catch {
    return null
  }
}

/**
 * Sends a body and tells how much of it has left, which fetch does not.
 * @param {"POST" | "PUT"} method
 * @param {string} url
 * @param {{ readonly body: string | ArrayBuffer, readonly headers: Readonly<Record<string, string>>, readonly sent: (share: number) => void, readonly signal: AbortSignal }} options
 * @returns {Promise<{ readonly response: { readonly ok: boolean, readonly status: number }, readonly text: string }>}
 */
const upload = (method, url, { body, headers, sent, signal }) =>
  new Promise((resolve, reject) => {
    // stopped while it was being prepared: no event will come
    if (signal.aborted) return reject(new Stopped("stopped"))
    const request = new XMLHttpRequest()
    request.open(method, url)
    request.timeout = UPLOAD_MILLIS
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
    request.upload.addEventListener("progress", ({ loaded, total }) => sent(total === 0 ? 0 : loaded / total))
    request.addEventListener("load", () =>
      resolve({
        response: { ok: request.status >= 200 && request.status < 300, status: request.status },
        text: request.responseText
      })
    )
    for (const name of ["error", "timeout"]) {
      request.addEventListener(name, () => reject(new Unreachable("no answer from the server")))
    }
    request.addEventListener("abort", () => reject(new Stopped("stopped")))
    signal.addEventListener("abort", () => request.abort(), { once: true })
    request.send(body)
  })

/**
 * Puts a photo to the service, so that scans can name it. Rejects with ApiError or Unreachable; nothing is scanned yet.
 * @param {Blob} photo
 * @param {string} contentType
 * @param {{ readonly sent: (share: number) => void, readonly signal: AbortSignal }} options `sent`: from 0 to 1
 * @returns {Promise<string>} its address, for `image_url`
 */
export const putPhoto = async (photo, contentType, options) => {
  const asked = await call(
    "/api/v1/images/scan",
    {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ filename: "photo", content_type: contentType })
    },
    20_000
  )
  const reply = parsed(asked.text)
  if (!asked.response.ok) throw refusal(asked.response, asked.text)
  if (!isRecord(reply) || typeof reply["upload_url"] !== "string" || typeof reply["cdn_url"] !== "string") {
    throw new ApiError(502, null, null)
  }
  // by this page's own host, the only one that it may call
  const { pathname, search } = new URL(reply["upload_url"])
  const put = await upload("PUT", pathname + search, {
    body: await photo.arrayBuffer(),
    headers: { "content-type": contentType },
    ...options
  })
  if (!put.response.ok) throw refusal(put.response, put.text)
  return reply["cdn_url"]
}

/**
 * Submits a scan. Sending the same body with the same key again is safe: it is one job.
 * - rejects with ApiError or Unreachable
 * @param {string} body a ScanRequest as JSON
 * @param {string} key
 * @param {{ readonly sent: (share: number) => void, readonly signal: AbortSignal }} options `sent`: from 0 to 1
 * @returns {Promise<AcceptedScan>}
 */
export const submitScan = async (body, key, options) => {
  const headers = { "content-type": "application/json", "x-idempotency-key": key }
  const { response, text } = await upload("POST", "/api/v1/scan", { body, headers, ...options })
  const reply = parsed(text)
  if (!response.ok) throw refusal(response, text)
  if (!isRecord(reply) || typeof reply["job_id"] !== "string") throw new ApiError(502, null, null)
  const { resultUrl, streamUrl } = urlsOf(reply["job_id"])
  return {
    job_id: reply["job_id"],
    stream_url: typeof reply["stream_url"] === "string" ? reply["stream_url"] : streamUrl,
    result_url: typeof reply["result_url"] === "string" ? reply["result_url"] : resultUrl
  }
}

/**
 * The state of a job. Rejects with ApiError (401, 5xx …) or Unreachable.
 * @param {string} resultUrl
 * @returns {Promise<ResultReply>}
 */
export const fetchResult = async (resultUrl) => {
  const { response, text } = await call(resultUrl, {}, 20_000)
  const body = parsed(text)
  if (response.status === 404 || response.status === 400) return { kind: "gone" }
  if (!response.ok) throw refusal(response, text)
  if (!isRecord(body)) throw new ApiError(502, null, null)
  return response.status === 202
    ? { kind: "open", body: /** @type {OpenBody} */ (body), retryAfterMillis: retryAfterMillis(response) }
    : { kind: "ended", body: /** @type {ResultBody} */ (/** @type {unknown} */ (body)) }
}

/**
 * @typedef {object} ScanSummary
 * @property {string} job_id
 * @property {"processing" | "completed" | "failed" | "cancelled"} status
 * @property {string} created_at ISO
 * @property {string | null} image_url
 * @property {Classification | null} classification
 * @property {Classification} [display] its words in the scan's language
 * @property {string | null} user_answer
 * @property {string | null} character
 * @property {boolean} simulated
 * @property {string | null} result_url null: the whole result is no longer there
 */
/** @typedef {{ readonly scans: ReadonlyArray<ScanSummary>, readonly next_cursor: string | null, readonly complete?: boolean }} ScanPage */
/** @typedef {{ readonly name: string, readonly acquired_at: string }} OwnedCharacter */
/** @typedef {{ readonly name: string, readonly dialog: string, readonly match: string | null, readonly match_display?: string }} CatalogueEntry */

/** A page of the user's own scans. Rejects with ApiError or Unreachable. @param {string | null} cursor @returns {Promise<ScanPage>} */
export const fetchScans = async (cursor) => {
  const { response, text } = await call(`/api/v1/scan${cursor === null ? "" : `?cursor=${cursor}`}`, {}, 20_000)
  const body = parsed(text)
  if (!response.ok) throw refusal(response, text)
  if (!isRecord(body) || !Array.isArray(body["scans"])) throw new ApiError(502, null, null)
  return /** @type {ScanPage} */ (/** @type {unknown} */ (body))
}

/** @param {string} url @returns {Promise<ReadonlyArray<unknown> | null>} null: it cannot be had; the page works without it */
const listAt = async (url) => {
  try {
    const { response, text } = await call(url, {}, 20_000)
    const body = parsed(text)
    return response.ok && Array.isArray(body) ? body : null
  } catch {
    return null
  }
}

/** The user's characters, or null. @returns {Promise<ReadonlyArray<OwnedCharacter> | null>} */
export const fetchOwned = async () =>
  /** @type {ReadonlyArray<OwnedCharacter> | null} */ (await listAt("/api/v1/users/me/characters"))

/** All characters, in a language, or null. @param {import("./i18n.js").Language} language @returns {Promise<ReadonlyArray<CatalogueEntry> | null>} */
export const fetchCatalogue = async (language) =>
  /** @type {ReadonlyArray<CatalogueEntry> | null} */ (await listAt(`/api/v1/character/catalog?language=${language}`))

/**
 * Says that an answer is wrong; rejects with ApiError or Unreachable. Again replaces it.
 * @param {string} jobId
 * @param {{ readonly category: string | null, readonly comment: string | null }} feedback
 */
export const giveFeedback = async (jobId, feedback) => {
  const { response, text } = await call(
    `/api/v1/scan/${jobId}/feedback`,
    { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(feedback) },
    20_000
  )
  if (!response.ok) throw refusal(response, text)
}

/**
 * Erases what the service has of the user; rejects with ApiError or Unreachable. Again is safe.
 * @returns {Promise<ReadonlyArray<string>>} names of what is left
 */
export const eraseData = async () => {
  const { response, text } = await call("/api/v1/users/me/data", { method: "DELETE" }, 30_000)
  const body = parsed(text)
  if (!response.ok) throw refusal(response, text)
  if (!isRecord(body) || !Array.isArray(body["remaining"])) throw new ApiError(502, null, null)
  return body["remaining"].flatMap((one) => (isRecord(one) && typeof one["what"] === "string" ? [one["what"]] : []))
}

/** Cancels a job; a job that ended already rejects with ApiError 409. @param {string} jobId */
export const cancelScan = async (jobId) => {
  const { response, text } = await call(`/api/v1/scan/${jobId}`, { method: "DELETE" }, 20_000)
  if (!response.ok) throw refusal(response, text)
}
