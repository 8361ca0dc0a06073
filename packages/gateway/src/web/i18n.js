/**
 * Language: the language of the page, one of two; texts.js has the texts, of which the server sends those of the language that it
 * has chosen (PageLanguage). The reader's own choice is a cookie, which it reads; the other texts are loaded with the first switch. Static markup names its key in `data-text`, or in `data-text-<attribute>`;
 * views call `t`.
 */
import { texts } from "./texts.js"

/** @typedef {"ko" | "en"} Language */

const COOKIE = "eco2_language"
const YEAR_SECONDS = 31_536_000

/** @type {Language} */
let current = document.documentElement.lang === "en" ? "en" : "ko"

/** The current language. @returns {Language} */
export const language = () => current

/** What a file of texts has. @param {unknown} body @returns {Record<string, string>} */
const read = (body) => {
  if (typeof body !== "object" || body === null) throw new Error("no texts")
  return Object.fromEntries(Object.entries(body).map(([key, text]) => [key, String(text)]))
}

/**
 * Switches the language and remembers it; the caller redraws its views. False: its texts cannot be loaded now.
 * @param {Language} next
 */
export const setLanguage = async (next) => {
  if (texts[next] === undefined) {
    try {
      const response = await fetch(`/assets/texts.json?lang=${next}`, { signal: AbortSignal.timeout(20_000) })
      if (!response.ok) return false
      texts[next] = read(await response.json())
    } catch {
      return false // the page stays as it is
    }
  }
  current = next
  document.cookie = `${COOKIE}=${next}; path=/; max-age=${YEAR_SECONDS}; samesite=lax`
  // a language in the address would go before the choice
  const here = new URL(location.href)
  if (here.searchParams.has("lang")) {
    here.searchParams.delete("lang")
    history.replaceState(history.state, "", here)
  }
  return true
}

/** @param {string} key */
const lookUp = (key) => texts[current]?.[key]

/**
 * The text of a key with its `{values}` filled in; the key itself if there is no text, so that a gap is visible.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export const t = (key, values = {}) =>
  (lookUp(key) ?? key).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole))

const ATTRIBUTES = ["alt", "placeholder", "content", "aria-label", "href", "lang", "hreflang"]

/** Fills the static markup and the document's `lang`. */
export const translatePage = () => {
  document.documentElement.lang = current
  for (const node of document.querySelectorAll("[data-text]"))
    node.textContent = t(node.getAttribute("data-text") ?? "")
  for (const attribute of ATTRIBUTES) {
    const source = `data-text-${attribute}`
    for (const node of document.querySelectorAll(`[${source}]`)) {
      node.setAttribute(attribute, t(node.getAttribute(source) ?? ""))
    }
  }
}

/** `ModelUnavailable` and `MODEL_UNAVAILABLE` are one code. @param {string} code */
const normalised = (code) =>
  code
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/[\s-]+/g, "_")
    .toUpperCase()

/**
 * The sentence for an API error: by its code, else the server's own detail, else by HTTP status.
 * @param {{ readonly code?: string | null | undefined, readonly detail?: string | null | undefined, readonly status?: number | undefined }} error
 */
export const errorText = ({ code, detail, status }) => {
  const byCode = code ? lookUp(`error.${normalised(code)}`) : undefined
  const exact = status === undefined ? undefined : lookUp(`error.status.${status}`)
  const byStatus = exact ?? (status !== undefined && status >= 500 ? lookUp("error.status.5xx") : undefined)
  // 401 asks the user to sign in, whatever the server's words
  if (byCode === undefined && status === 401 && exact !== undefined) return exact
  return byCode ?? (detail || undefined) ?? byStatus ?? t("error.unknown")
}

/** `1.2 MB`, `340 KB`. @param {number} bytes */
export const sizeText = (bytes) =>
  bytes >= 1_000_000 ? `${(bytes / 1_000_000).toFixed(1)} MB` : `${Math.max(1, Math.round(bytes / 1000))} KB`

/** A length of time in words. @param {number} millis */
export const durationText = (millis) => {
  if (millis < 100) return `${Math.round(millis)} ms`
  const seconds = millis / 1000
  if (seconds < 59.5) return t("seconds", { value: Number(seconds.toFixed(seconds < 10 ? 1 : 0)) })
  const whole = Math.round(seconds)
  return t("minutes", { minutes: Math.floor(whole / 60), seconds: whole % 60 })
}

/** A day and time, short. @param {string} iso */
export const dateText = (iso) =>
  new Intl.DateTimeFormat(current === "ko" ? "ko-KR" : "en-GB", { dateStyle: "medium", timeStyle: "short" }).format(
    new Date(iso)
  )

/** A running clock, `m:ss`. @param {number} millis */
export const clockText = (millis) => {
  const whole = Math.max(0, Math.floor(millis / 1000))
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`
}
