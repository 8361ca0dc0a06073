/**
 * Prepared: an answer that never changes: made at its first request, compressed once for each encoding (Compression), with an
 * ETag, so that a client that has it gets 304. For pages, their files, and descriptions of APIs. A page that is made for each
 * request has such an ETag too (`respondOnce`).
 */
import { Effect } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { hash } from "node:crypto"
import * as Compression from "./Compression.ts"

export interface Content {
  readonly bytes: Uint8Array
  readonly contentType: string
  readonly headers?: Readonly<Record<string, string>>
}

interface Ready {
  readonly whole: HttpServerResponse.HttpServerResponse
  readonly notChanged: HttpServerResponse.HttpServerResponse
  readonly etag: string
}

const tagged = ({ bytes, contentType, headers = {} }: Content): Ready => {
  const etag = `"${hash("sha1", bytes, "base64url")}"`
  const common = { "cache-control": "no-cache", "x-content-type-options": "nosniff", ...headers, etag }
  const vary = headers.vary === undefined ? "Accept-Encoding" : `${headers.vary}, Accept-Encoding`
  return {
    whole: HttpServerResponse.uint8Array(bytes, { contentType, headers: common }),
    notChanged: HttpServerResponse.empty({ status: 304, headers: { ...common, vary } }),
    etag
  }
}
const ready = (content: Content): Ready => {
  Compression.keep(content.bytes)
  return tagged(content)
}

/** Whether If-None-Match, perhaps a list, names the ETag, in whatever encoding the client has it. */
const isKnown = (given: string | undefined, etag: string): boolean =>
  given !== undefined && given.split(",").some((one) => ["*", etag, `W/${etag}`].includes(one.trim()))

type Request = Pick<HttpServerRequest.HttpServerRequest, "headers">
const answerTo = ({ headers }: Request, { etag, notChanged, whole }: Ready): HttpServerResponse.HttpServerResponse =>
  isKnown(headers["if-none-match"], etag) ? notChanged : whole

const make = (answer: () => Promise<Ready>) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    Effect.map(Effect.promise(answer), (made) => answerTo(request, made))
  )

/** The answer to one request whose content was made for it: 304 if the client has that already. `bytes` are not kept. */
export const respondOnce = (request: Request, content: Content): HttpServerResponse.HttpServerResponse =>
  answerTo(request, tagged(content))

/** The handler of a GET route. */
export const respond = (content: Content) => {
  const answer = Promise.resolve(ready(content))
  return make(() => answer)
}

/** The same, with a content for each kind of request, such as a language. `vary` in their headers names what `kindOf` reads. */
export const respondByKind = <Kind extends string>(
  contents: Readonly<Record<Kind, Content>>,
  kindOf: (request: HttpServerRequest.HttpServerRequest) => Kind
) => {
  const made = new Map(Object.entries<Content>(contents).map(([kind, content]) => [kind, ready(content)]))
  return Effect.map(HttpServerRequest.HttpServerRequest, (request) => {
    const found = made.get(kindOf(request))
    return found === undefined ? HttpServerResponse.empty({ status: 404 }) : answerTo(request, found)
  })
}

/** The same; `render` runs at the first request, and again at the next one if it failed. */
export const respondLater = (render: () => Promise<Content>) => {
  let answer: Promise<Ready> | undefined
  return make(() => {
    answer ??= render()
      .then(ready)
      .catch((error: unknown) => {
        answer = undefined
        throw error
      })
    return answer
  })
}

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
  jpg: "image/jpeg"
}

/** The content type of a file, by its ending; undefined: not one that pages have. */
export const contentTypeOf = (file: string): string | undefined => types[file.slice(file.lastIndexOf(".") + 1)]
