/** Api: the operators' calls. A refusal becomes an ApiError; 403 on a read means that nobody is signed in. */

export class ApiError extends Error {
  /** @param {number} status @param {string} code @param {string} detail */
  constructor(status, code, detail) {
    super(detail)
    this.status = status
    this.code = code
  }
}

const PATIENCE_MILLIS = 30_000
const BASE = "/api/v1/internal"

/**
 * @param {string} method
 * @param {string} path under /api/v1/internal
 * @param {unknown} [body]
 * @param {string} [base]
 * @returns {Promise<any>}
 */
const call = async (method, path, body, base = BASE) => {
  /** @type {Response} */
  let response
  try {
    response = await fetch(`${base}${path}`, {
      method,
      cache: "no-store",
      signal: AbortSignal.timeout(PATIENCE_MILLIS),
      ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
    })
  } catch (error) {
    throw new ApiError(0, "UNREACHABLE", error instanceof Error ? error.message : String(error))
  }
  const text = await response.text()
  const reply = text === "" ? null : JSON.parse(text)
  if (response.ok) return reply
  const detail = reply?.detail
  throw new ApiError(
    response.status,
    String(reply?.code ?? response.status),
    typeof detail === "string" ? detail : JSON.stringify(detail ?? reply)
  )
}

/** `path` with a query of what is given. @param {string} path @param {Record<string, string | number | null | undefined>} query */
export const withQuery = (path, query) => {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "")
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
  return text === "" ? path : `${path}?${text}`
}

/** @param {string} who @param {string} secret */
export const signIn = (who, secret) => call("POST", "/session", { who, secret }, "/console")
/** @param {string} path */
export const get = (path) => call("GET", path)
/** @param {string} path @param {unknown} [body] */
export const post = (path, body) => call("POST", path, body)
/** @param {string} path */
export const remove = (path) => call("DELETE", path)
/** @param {string} path @param {unknown} body */
export const patch = (path, body) => call("PATCH", path, body)
