/** CorsOrigins: the origins whose pages may call a service with credentials: the setting, the headers, the middleware. */
import { Layer } from "effect"
import { HttpMiddleware, HttpRouter } from "effect/http"
import * as Setting from "../config/Setting.ts"

const list = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
const isOrigin = (text: string) =>
  URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) && new URL(text).origin === text

/** CORS_ORIGINS: origins that may call with credentials, comma list. Default none. */
export const corsOrigins = Setting.parsed<ReadonlyArray<string>>("CORS_ORIGINS", {
  default: [],
  allowed: "a comma list of origins such as https://app.example",
  parse: (text) => (list(text).every(isOrigin) ? list(text) : undefined)
})

/** For a response outside the middleware: the CORS headers for a request's Origin. `exposed`: response headers its page may read. */
export const headersFor = (
  origins: ReadonlyArray<string>,
  origin: string | undefined,
  exposed: ReadonlyArray<string>
): Readonly<Record<string, string>> => {
  if (origins.length === 0) return {}
  if (origin === undefined || !origins.includes(origin)) return { vary: "Origin" }
  return {
    "access-control-allow-origin": origin,
    "access-control-allow-credentials": "true",
    "access-control-expose-headers": exposed.join(","),
    vary: "Origin"
  }
}

/** CORS for these origins only; `headers`: request headers a page may send, `exposed`: response headers it may read. */
export const layer = (
  origins: ReadonlyArray<string>,
  allowed: {
    readonly methods: ReadonlyArray<string>
    readonly headers: ReadonlyArray<string>
    readonly exposed: ReadonlyArray<string>
  }
) =>
  origins.length === 0
    ? Layer.empty
    : HttpRouter.middleware(
        HttpMiddleware.cors({
          allowedOrigins: (origin) => origins.includes(origin),
          allowedMethods: allowed.methods,
          allowedHeaders: allowed.headers,
          exposedHeaders: allowed.exposed,
          credentials: true,
          maxAge: 600
        }),
        { global: true }
      )
