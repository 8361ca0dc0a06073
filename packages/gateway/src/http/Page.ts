/**
 * Page: the web page at / and its files under /assets/. Its content security policy allows nothing from other origins.
 *   - in the reader's language from its first paint (PageLanguage, PageText)
 *   - one script (ModuleBundle), so that the first load is a few requests
 *   - an address that does not exist is answered with a page to whoever asks for one; the API's errors stay JSON
 *   - SIGN_IN_URL tells the page where to send a user whom the API does not know
 */
import { ModuleBundle, Prepared, Stylesheet } from "@eco2/core/http"
import { Language } from "@eco2/actors/protocol"
import { Effect, Layer, Schema } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as PageLanguage from "./PageLanguage.ts"
import * as PageText from "./PageText.ts"

const folder = fileURLToPath(new URL("../web/", import.meta.url))

const contentSecurityPolicy = [
  "default-src 'self'",
  "img-src 'self' data: blob: https: http:",
  "style-src 'self'",
  "script-src 'self'",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'"
].join("; ")

const html = "text/html; charset=utf-8"
const pageHeaders = {
  "content-security-policy": contentSecurityPolicy,
  "referrer-policy": "same-origin",
  vary: PageLanguage.vary
}

const Texts = Schema.Struct({ texts: Schema.Record(Language, Schema.Record(Schema.String, Schema.String)) })
/** The words of the page, which are the browser's module. */
const readTexts = Effect.promise(async () => {
  const module: unknown = await import(new URL("../web/texts.js", import.meta.url).href)
  return Schema.decodeUnknownSync(Texts)(module).texts
})

const manifestOf = (language: Language, words: PageText.Words) => ({
  name: "Eco²",
  short_name: "Eco²",
  description: words.description,
  lang: language,
  start_url: "/",
  scope: "/",
  display: "standalone",
  background_color: "#f3f2ea",
  theme_color: "#f3f2ea",
  icons: [
    ...[192, 512].map((side) => ({
      src: `/assets/icon-${side}.png`,
      sizes: `${side}x${side}`,
      type: "image/png",
      purpose: "any"
    })),
    { src: "/assets/icon.svg", sizes: "any", type: "image/svg+xml", purpose: "any" }
  ]
})

/** The words are in the markup, so they are painted before the script runs. A hidden page paints nothing, and begins at once. */
const afterFirstPaint = (script: string) =>
  `const begin = () => {\n${script}}\nif (document.hidden) begin()\nelse requestAnimationFrame(() => setTimeout(begin))\n`

const isPageAsked = ({ headers, method, url }: HttpServerRequest.HttpServerRequest): boolean =>
  (method === "GET" || method === "HEAD") &&
  !url.startsWith("/api/") &&
  /(?:^|,)\s*text\/html\b/i.test(headers.accept ?? "")

export interface Options {
  /** SIGN_IN_URL. */
  readonly signInUrl: string | null
}

export const layer = ({ signInUrl }: Options) =>
  Layer.unwrap(
    Effect.map(readTexts, (texts) => {
      const inEach = <A>(make: (language: Language, words: PageText.Words) => A): Record<Language, A> => ({
        ko: make("ko", texts.ko),
        en: make("en", texts.en)
      })
      const signIn = signInUrl === null ? "" : ` data-sign-in="${PageText.escape(signInUrl)}"`
      const read = (file: string) => readFileSync(`${folder}${file}`)
      const pageOf = (file: string) => {
        const markup = read(file).toString("utf8").replace("<body", `<body${signIn}`)
        return inEach((language, words) =>
          PageText.fill(
            markup
              .replace('<html lang=""', `<html lang="${language}"`)
              .replace('src="/assets/app.js"', `src="/assets/app.js?lang=${language}"`),
            words
          )
        )
      }
      const bytesOf = (text: string) => new TextEncoder().encode(text)
      const pages = pageOf("index.html")
      const missing = pageOf("missing.html")
      const byLanguage = (
        contentType: string,
        text: (language: Language, words: PageText.Words) => string,
        headers = {}
      ) =>
        Prepared.respondByKind(
          inEach((language, words) => ({
            bytes: bytesOf(text(language, words)),
            contentType,
            headers: { vary: PageLanguage.vary, ...headers }
          })),
          PageLanguage.of
        )

      const routes = HttpRouter.use(
        Effect.fnUntraced(function* (router) {
          yield* router.add(
            "GET",
            "/",
            byLanguage(html, (language) => pages[language], pageHeaders)
          )
          yield* router.add(
            "GET",
            "/manifest.webmanifest",
            byLanguage("application/manifest+json", (language, words) => JSON.stringify(manifestOf(language, words)))
          )
          const file = (path: `/${string}`, name: string, bytes: Uint8Array = read(name)) =>
            router.add("GET", path, Prepared.respond({ bytes, contentType: Prepared.contentTypeOf(name) ?? html }))
          // with the words of one language; the other's come when the reader switches
          yield* router.add(
            "GET",
            "/assets/app.js",
            byLanguage("text/javascript", (language, words) => {
              const texts = `export const texts = ${JSON.stringify({ [language]: words })}\n`
              return afterFirstPaint(ModuleBundle.make(folder, "app.js", { "texts.js": texts }))
            })
          )
          yield* router.add(
            "GET",
            "/assets/texts.json",
            byLanguage("application/json", (_, words) => JSON.stringify(words))
          )
          yield* file("/favicon.ico", "icon-192.png")
          yield* file("/assets/style.css", "style.css", Stylesheet.read(`${folder}style.css`))
          for (const name of ["icon.svg", "icon-192.png", "icon-512.png", "example.jpg"])
            yield* file(`/assets/${name}`, name)
        })
      )
      const unknownAddresses = HttpRouter.middleware(
        (app) =>
          Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
            Effect.map(app, (response) =>
              response.status === 404 && response.body._tag === "Empty" && isPageAsked(request)
                ? HttpServerResponse.text(missing[PageLanguage.of(request)], {
                    status: 404,
                    contentType: html,
                    headers: { ...pageHeaders, "cache-control": "no-store" }
                  })
                : response
            )
          ),
        { global: true }
      )
      return Layer.merge(routes, unknownAddresses)
    })
  )
