/** NewsQuery: parses the query of a news list from its URL. Pure. */
import { Refusal } from "@eco2/core/http"
import { Result } from "effect"
import { sources } from "../domain/Article.ts"
import { lists, parseCursor } from "../store/ArticlePage.ts"
import type { Query } from "../store/ArticlePage.ts"

export interface Given {
  readonly category?: string | undefined
  readonly limit?: string | undefined
  readonly cursor?: string | undefined
  readonly source?: string | undefined
  readonly has_image?: string | undefined
}

export const mostLimit = 50
export const usualLimit = 10
export const allSources = ["all", ...sources] as const

/** The refusals of a query, for the API description. */
export const refusals = [
  Refusal.declared(400, "INVALID_CATEGORY", "INVALID_SOURCE", "INVALID_CURSOR_FORMAT", "INVALID_REQUEST"),
  Refusal.invalidField
] as const
type Refused = (typeof refusals)[number]["Type"]

const bad = <const Code extends string>(code: Code, detail: string) => Result.fail(Refusal.make(400, code, detail))
const wrong = (field: string, msg: string, type: string) => Result.fail(Refusal.invalid(["query", field], msg, type))
const flags: ReadonlyMap<string, boolean> = new Map([
  ...["true", "1", "yes", "on"].map((word) => [word, true] as const),
  ...["", "false", "0", "no", "off"].map((word) => [word, false] as const)
])

/** Forms and old clients send an empty parameter for none. */
const present = (text: string | undefined): string | undefined => (text === "" ? undefined : text)

export const parse = (given: Given): Result.Result<Query, Refused> => {
  const list = lists.find((name) => name === (present(given.category) ?? "all"))
  if (list === undefined) return bad("INVALID_CATEGORY", `category is one of ${lists.join(", ")}`)
  const source = allSources.find((name) => name === (present(given.source) ?? "all"))
  if (source === undefined) return bad("INVALID_SOURCE", `source is one of ${allSources.join(", ")}`)
  const cursor = present(given.cursor)
  const after = cursor === undefined ? null : parseCursor(cursor)
  if (after === undefined) {
    return bad("INVALID_CURSOR_FORMAT", "cursor is the next_cursor of a page, {published_ms}_{id}")
  }
  const limitText = present(given.limit) ?? String(usualLimit)
  const limit = Number(limitText)
  if (!/^[+-]?\d{1,9}$/.test(limitText)) return wrong("limit", "a whole number", "int_parsing")
  if (limit < 1) return wrong("limit", "at least 1", "greater_than_equal")
  if (limit > mostLimit) return wrong("limit", `at most ${mostLimit}`, "less_than_equal")
  const hasImage = flags.get((given.has_image ?? "").toLowerCase())
  if (hasImage === undefined) return wrong("has_image", "true or false", "bool_parsing")
  return Result.succeed({ list, source, hasImage, after, limit })
}

const names = ["category", "limit", "cursor", "source", "has_image"] as const

/** The query of a request's address; a parameter given twice is refused. */
export const ofUrl = (url: string): Result.Result<Query, Refused> => {
  const mark = url.indexOf("?")
  if (mark < 0) return parse({})
  const query = new URLSearchParams(url.slice(mark + 1))
  const twice = names.find((name) => query.getAll(name).length > 1)
  if (twice !== undefined) return bad("INVALID_REQUEST", `query ${twice}: given twice`)
  return parse(Object.fromEntries(names.map((name) => [name, query.get(name) ?? undefined])))
}
