/**
 * RedirectCookies: the cookies that a site sets while it redirects, for the rest of one fetch. Some sites redirect until they get
 * theirs back. A cookie goes to the host that set it and to no other, whatever `Domain` it names, and a `Secure` one to https.
 * Used by GuardedFetch only.
 */

export interface RedirectCookies {
  /** Keeps what a response of this URL sets. */
  readonly take: (url: URL, headers: Headers) => void
  /** The header `cookie` for a request; "" for none. */
  readonly for: (url: URL) => string
}

const mostCookies = 20
const mostLength = 4_096

export const make = (): RedirectCookies => {
  const kept = new Map<string, { readonly host: string; readonly pair: string; readonly secure: boolean }>()
  return {
    take: (url, headers) => {
      for (const line of headers.getSetCookie()) {
        const [pair = "", ...attributes] = line.split(";").map((part) => part.trim())
        const name = pair.split("=", 1)[0] ?? ""
        const isPair = /^[!#$%&'*+.^_`|~0-9a-z-]+=[\x21-\x3a\x3c-\x7e]*$/i.test(pair)
        if (!isPair || line.length > mostLength || kept.size >= mostCookies) continue
        const secure = attributes.some((one) => one.toLowerCase() === "secure")
        kept.set(`${url.hostname} ${name}`, { host: url.hostname, pair, secure })
      }
    },
    for: (url) =>
      [...kept.values()]
        .filter(({ host, secure }) => host === url.hostname && (!secure || url.protocol === "https:"))
        .map(({ pair }) => pair)
        .join("; ")
        .slice(0, mostLength)
  }
}
