/**
 * Pages: routes of prepared pages: the files of a folder, and the description of an API as JSON and for people. Each file has a
 * route of its own, so nothing else of a folder can be asked for.
 */
import { Effect } from "effect"
import { HttpRouter } from "effect/http"
import { OpenApi } from "effect/http-api"
import type { HttpApi, HttpApiGroup } from "effect/http-api"
import { readdirSync, readFileSync } from "node:fs"
import * as ApiPage from "./ApiPage.ts"
import * as Prepared from "./Prepared.ts"
import * as Stylesheet from "./Stylesheet.ts"

/** Serves files of a folder under `prefix`; `files`: by default all that browsers may load, but pages. They are read once; sheets have base.css in front of them. */
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
        const path = `${options.folder}${file}`
        const bytes = file.endsWith(".css") ? Stylesheet.read(path) : readFileSync(path)
        return router.add("GET", `${options.prefix}/${file}`, Prepared.respond({ bytes, contentType }))
      },
      { discard: true }
    )
  )

/** `json`: the path of the description, such as `/openapi.json`; `page`: of the page that shows it (ApiPage). Both are made when first asked for. */
export const description = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  paths: { readonly json: `/${string}`; readonly page: `/${string}` }
) => {
  const later = (contentType: string, text: () => string) =>
    Prepared.respondLater(() => Promise.resolve({ bytes: new TextEncoder().encode(text()), contentType }))
  return HttpRouter.use((router) =>
    Effect.andThen(
      router.add(
        "GET",
        paths.json,
        later("application/json", () => JSON.stringify(OpenApi.fromApi(api)))
      ),
      router.add(
        "GET",
        paths.page,
        later("text/html; charset=utf-8", () => ApiPage.render(OpenApi.fromApi(api), paths.json))
      )
    )
  )
}
