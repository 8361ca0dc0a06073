/**
 * GuardedFetch: HTTP GET for URLs from untrusted sources, such as an article page or a user's image.
 *   G1  a connection is made to public addresses only, or to those opened by FETCH_ALLOW_PRIVATE; what counts is the
 *       address the socket connects to, at every redirect, however the URL is written and whatever its name resolves to
 *   G2  a fetch ends within its timeout, DNS and redirects included, and holds at most `maxBytes` of body, counted after
 *       decompression; at the limit it stops reading and closes the connection
 *   G3  a secret that the caller sends does not follow a redirect to another origin; a cookie that a redirect sets is sent
 *       back to its host alone, and is forgotten when the fetch ends
 * The name is resolved here, and the checked address is pinned for the connection, so a second DNS answer cannot change it. The
 * address is checked again on the connected socket, before any byte is sent.
 * Every fetch has its own connection; the caller limits how many run at once. Neighbours: PublicAddress (which addresses are
 * public), NameLookup (the addresses of a name, without the system's resolver), HttpExchange (one request on one connection).
 */
import { Config, Context, Duration, Effect, Layer } from "effect"
import { isIP } from "node:net"
import * as Setting from "../config/Setting.ts"
import { FetchFailed, FetchRefused, FetchTimeout, FetchTooLarge } from "./FetchError.ts"
import type { FetchError } from "./FetchError.ts"
import { exchange, noRoom } from "./HttpExchange.ts"
import type { Address, Head } from "./HttpExchange.ts"
import * as NameLookup from "./NameLookup.ts"
import { bareHost, isPublicAddress, isPublicHost } from "./PublicAddress.ts"
import * as RedirectCookies from "./RedirectCookies.ts"

export { FetchFailed, FetchRefused, FetchTimeout, FetchTooLarge } from "./FetchError.ts"
export type { FetchError } from "./FetchError.ts"
export type { Address, Head } from "./HttpExchange.ts"

export interface Request {
  readonly url: string
  /** For the whole fetch: DNS, redirects, body. */
  readonly timeout: Duration.Input
  /** Bytes of body, after decompression. */
  readonly maxBytes: number
  /** For a longer body: `fail` (the default), or `cut`: return its first `maxBytes`. */
  readonly longer?: "fail" | "cut"
  /**
   * Request headers, names in lower case. A redirect to another origin gets only `accept*` and `user-agent`, and within one site
   * `if-none-match` and `if-modified-since` (G3).
   */
  readonly headers?: Readonly<Record<string, string>>
  /** Called before a body is read; false leaves it unread and empty. By default every body is read. */
  readonly wanted?: (head: Head) => boolean
  /** Called with each piece of a wanted body; true leaves the rest unread, and the response is `cut`. It belongs to this request. */
  readonly enough?: (piece: Uint8Array) => boolean
  /**
   * Runs before a wanted body is read, with the bytes that it has at most: its length if that is known, else `maxBytes`. Until
   * then the body waits in the connection; false refuses it (FetchRefused, `room`). By default there is room.
   */
  readonly room?: (bytes: number) => Effect.Effect<boolean>
  /** Redirects followed at most. Default 3. */
  readonly maxRedirects?: number
  /** Whether this host, as written in the URL, may be fetched; called at every redirect too. By default any host may. */
  readonly mayAsk?: (host: string) => boolean
  /** The URL comes from the operator, so its host and port may be private; the target of a redirect may not. */
  readonly trusted?: boolean
}

export interface Response extends Head {
  /** Empty when `wanted` refused it. */
  readonly body: Uint8Array
  /** Whether the body was longer and was cut. */
  readonly cut: boolean
  /** Where the address has moved for good (301, 308), as far as every redirect said so; null: it has not. */
  readonly movedTo: string | null
}

export interface Options {
  /** `host:port` that may be private; the host is a name or an address (`[::1]:80`). */
  readonly allowPrivate: ReadonlyArray<string>
  /** All addresses of a name; by default NameLookup's. */
  readonly resolve?: (host: string) => Promise<ReadonlyArray<Address>>
  /** The name servers that NameLookup asks; by default those of /etc/resolv.conf. */
  readonly nameServers?: ReadonlyArray<string>
  /** Called with each address that was connected to, in order. */
  readonly onConnect?: (address: string, port: number) => void
}

const redirects = new Set([301, 302, 303, 307, 308])
const userAgent = "Mozilla/5.0 (compatible; Eco2/0.1)"

/** FETCH_ALLOW_PRIVATE: comma list of `host:port` that untrusted URLs may reach although they are private. Default none. */
const allowPrivate = Setting.parsed<ReadonlyArray<string>>("FETCH_ALLOW_PRIVATE", {
  default: [],
  allowed: "a comma list of host:port, such as 10.0.0.5:8080, intranet.example:80, [fd00::5]:80",
  parse: (text) => {
    const entries = text.split(",").flatMap((entry) => entry.trim().toLowerCase() || [])
    return entries.every((entry) => /^(\[[0-9a-f:.]+\]|[^\s:/@[\]]+):\d{1,5}$/.test(entry)) ? entries : undefined
  }
})

const isServer = (entry: string) => {
  const [, host = "", port = "53"] = /^\[?([0-9a-f.:]+?)\]?(?::(\d{1,5}))?$/i.exec(entry) ?? []
  return isIP(entry) !== 0 || (isIP(host) !== 0 && Number(port) > 0 && Number(port) < 65_536)
}
/** FETCH_NAME_SERVERS: comma list of the name servers asked for the hosts of strangers' URLs. Default those of the system. */
const nameServers = Setting.parsed<ReadonlyArray<string>>("FETCH_NAME_SERVERS", {
  default: [],
  allowed: "a comma list of addresses with or without a port, such as 10.0.0.53, 9.9.9.9:53, [fd00::53]:53",
  parse: (text) => {
    const entries = text.split(",").flatMap((entry) => entry.trim() || [])
    return entries.every(isServer) ? entries : undefined
  }
})

export class GuardedFetch extends Context.Service<
  GuardedFetch,
  {
    /**
     * Fetches one URL; a response of any status is a success. Does not retry. Interruption closes the connection.
     * - a redirect is followed without reading its body; one without a usable `location` is a response
     * - fails with FetchRefused (nothing was sent there), FetchTimeout, FetchTooLarge, FetchFailed
     */
    readonly get: (request: Request) => Effect.Effect<Response, FetchError>
    /**
     * Whether a URL may be stored for others to fetch: http or https, no credentials, and a host that, as written, is public or
     * opened. Resolves no name.
     */
    readonly isPublic: (url: string) => boolean
  }
>()("@eco2/core/net/GuardedFetch") {}

const withoutQuery = (url: URL) => `${url.origin}${url.pathname}`
const hostPort = (host: string, port: number) => `${host.includes(":") ? `[${host}]` : host}:${port}`
const portOf = (url: URL) => (url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port))

const parse = (text: string): Effect.Effect<URL, FetchRefused> => {
  const url = URL.parse(text)
  if (url === null) return Effect.fail(new FetchRefused({ url: text.split("?", 1)[0] ?? "", reason: "url" }))
  const refuse = (reason: FetchRefused["reason"]) => Effect.fail(new FetchRefused({ url: withoutQuery(url), reason }))
  if (url.protocol !== "http:" && url.protocol !== "https:") return refuse("scheme")
  return url.username !== "" || url.password !== "" ? refuse("credentials") : Effect.succeed(url)
}

const make = ({ allowPrivate, nameServers = [], onConnect = () => {}, resolve }: Options): GuardedFetch["Service"] => {
  const opened = new Set(allowPrivate)
  const lookup: NameLookup.NameLookup =
    resolve === undefined
      ? NameLookup.make({ servers: nameServers })
      : (host) =>
          Effect.tryPromise({
            try: () => resolve(host),
            catch: (cause) => new NameLookup.NameNotResolved({ code: codeOf(cause) })
          })

  /** Where a connection for `url` may go (G1). */
  const addressesOf = Effect.fnUntraced(function* (url: URL, trusted: boolean) {
    const host = bareHost(url.hostname)
    const port = portOf(url)
    const family = isIP(host)
    const open = trusted || opened.has(hostPort(host, port))
    const found =
      family === 0
        ? // a name that the operator wrote may be short
          yield* lookup(host, { search: open && !url.hostname.endsWith(".") }).pipe(
            Effect.mapError(({ code }) => new FetchFailed({ url: withoutQuery(url), code }))
          )
        : [{ address: host, family }]
    const mayGoTo = (address: string) => open || isPublicAddress(address) || opened.has(hostPort(address, port))
    const addresses = found.filter(({ address }) => mayGoTo(address))
    if (addresses.length === 0) return yield* new FetchRefused({ url: withoutQuery(url), reason: "address" })
    const mayTalkTo = (address: string) => {
      onConnect(address, port)
      return mayGoTo(address)
    }
    return { host, port, addresses, mayTalkTo }
  })

  const get = Effect.fnUntraced(function* (request: Request, seen: { url: string }) {
    const { enough, headers = {}, longer = "fail", maxBytes, maxRedirects = 3, room, wanted = () => true } = request
    const first = yield* parse(request.url)
    let url = first
    const cookies = RedirectCookies.make()
    let movedTo: string | null = null
    let isForGood = true
    for (let hops = 0; ; hops++) {
      seen.url = withoutQuery(url)
      if (request.mayAsk?.(url.hostname) === false) return yield* new FetchRefused({ url: seen.url, reason: "host" })
      const target = yield* addressesOf(url, request.trusted === true && url.host === first.host)
      const cookie = cookies.for(url)
      const sent = {
        "user-agent": userAgent,
        ...(url.origin === first.origin ? headers : withoutSecrets(headers, isSameSite(url, first))),
        ...(cookie === "" ? {} : { cookie })
      }
      let hasEnough = false
      const follows = ({ headers: received, status }: Head) =>
        redirects.has(status) && received.get("location") !== null
      const reply = yield* exchange({
        url,
        ...target,
        headers: sent,
        maxBytes,
        wanted: (head) => !follows(head) && wanted(head),
        ...(enough === undefined ? {} : { enough: (piece) => (hasEnough = enough(piece)) }),
        ...(room === undefined ? {} : { room })
      }).pipe(
        Effect.mapError((cause) =>
          cause === noRoom
            ? new FetchRefused({ url: seen.url, reason: "room" })
            : new FetchFailed({ url: seen.url, code: codeOf(cause) })
        )
      )
      const location = follows(reply) ? locationOf(reply) : null
      if (location === null) {
        if (reply.cut && longer === "fail" && !hasEnough) return yield* new FetchTooLarge({ url: seen.url, maxBytes })
        return { ...reply, url: url.href, movedTo }
      }
      if (hops >= maxRedirects) return yield* new FetchRefused({ url: seen.url, reason: "redirects" })
      cookies.take(url, reply.headers)
      url = yield* parse(location)
      isForGood &&= reply.status === 301 || reply.status === 308
      if (isForGood) movedTo = url.href
    }
  })

  return {
    isPublic: (text) => {
      const url = URL.parse(text)
      if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "") return false
      return isPublicHost(url.hostname) || opened.has(hostPort(bareHost(url.hostname), portOf(url)))
    },
    get: (request) =>
      Effect.suspend(() => {
        const seen = { url: "" }
        return get(request, seen).pipe(
          Effect.timeoutOrElse({
            duration: request.timeout,
            orElse: () =>
              new FetchTimeout({
                url: seen.url,
                timeoutMillis: Duration.toMillis(Duration.fromInputUnsafe(request.timeout))
              })
          })
        )
      })
  }
}

/** Headers are decoded as Latin-1, but URLs in them are often UTF-8. */
const locationOf = ({ headers, url }: Head): string | null => {
  const location = headers.get("location")
  return location === null ? null : (URL.parse(Buffer.from(location, "latin1").toString("utf8"), url)?.href ?? null)
}

/** One host, or one within the other's domain; `www.` counts for nothing. */
const isSameSite = (one: URL, other: URL): boolean => {
  const [a, b] = [one, other].map(({ hostname }) => hostname.replace(/^www\./, ""))
  if (a === undefined || b === undefined) return false
  const isWithin = (inner: string, outer: string) =>
    isIP(outer) === 0 && outer.includes(".") && inner.endsWith(`.${outer}`)
  return a === b || isWithin(a, b) || isWithin(b, a)
}

/** `sameSite`: what a site said of its document's version may go back to it. */
const withoutSecrets = (headers: Readonly<Record<string, string>>, sameSite: boolean) => {
  const kept = sameSite ? /^(accept(-.*)?|user-agent|if-none-match|if-modified-since)$/ : /^(accept(-.*)?|user-agent)$/
  return Object.fromEntries(Object.entries(headers).filter(([name]) => kept.test(name)))
}

const codeOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return "failed"
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message.slice(0, 200)
}

/** With the hosts of FETCH_ALLOW_PRIVATE and the servers of FETCH_NAME_SERVERS. */
export const layer: Layer.Layer<GuardedFetch, Config.ConfigError> = Layer.effect(
  GuardedFetch,
  Effect.gen(function* () {
    return make({ allowPrivate: yield* allowPrivate, nameServers: yield* nameServers })
  })
)

/** With given options: for tests and embedding. */
export const layerWith = (options: Options): Layer.Layer<GuardedFetch> => Layer.succeed(GuardedFetch, make(options))
