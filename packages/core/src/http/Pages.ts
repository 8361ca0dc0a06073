/**
 * Pages: routes of prepared pages: the files of a folder, and the description of an API as JSON and for people. Each file has a
 * route of its own, so nothing else of a folder can be asked for.
 */
import { Effect } from "effect"
import { HttpRouter } from "effect/http"
import { HttpApiScalar, OpenApi } from "effect/http-api"
import type { HttpApi, HttpApiGroup } from "effect/http-api"
import { readdirSync, readFileSync } from "node:fs"
import * as Prepared from "./Prepared.ts"

/** Serves files of a folder under `prefix`; `files`: by default all that browsers may load, but pages. They are read once. */
export const files = (options: {
  readonly folder: string
  readonly prefix: `/${string}`
  readonly files?: ReadonlyArray<string>
}) =>
  HttpRouter.use((router) =>
    Effect.forEach(
      options.files ?? readdirSync(options.folder),
      (file) => {
        const contentType = Prepared.contentTypeOf(file)
        if (contentType === undefined || file.endsWith(".html")) return Effect.void
        const bytes = readFileSync(`${options.folder}${file}`)
        return router.add("GET", `${options.prefix}/${file}`, Prepared.respond({ bytes, contentType }))
      },
      { discard: true }
    )
  )

/**
 * `json`: the path of the description, such as `/openapi.json`. `page`: of the page that shows it; three megabytes, most of them
 * the script of Scalar, which is loaded when the page is first asked for.
 */
export const description = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  paths: { readonly json: `/${string}`; readonly page: `/${string}` }
) =>
  HttpRouter.use((router) =>
    Effect.andThen(
      router.add(
        "GET",
        paths.json,
        Prepared.respondLater(() =>
          Promise.resolve({
            bytes: new TextEncoder().encode(JSON.stringify(OpenApi.fromApi(api))),
            contentType: "application/json"
          })
        )
      ),
      router.add(
        "GET",
        paths.page,
        Prepared.respondLater(async () => {
          const scalar = HttpApiScalar.layer(api, { path: "/docs", scalar: { withDefaultFonts: false } })
          const { dispose, handler } = HttpRouter.toWebHandler(scalar, { disableLogger: true })
          try {
            const page = await handler(new Request("http://localhost/docs"))
            return { bytes: new Uint8Array(await page.arrayBuffer()), contentType: "text/html; charset=utf-8" }
          } finally {
            await dispose()
          }
        })
      )
    )
  )
