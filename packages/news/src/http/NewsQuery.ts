/** NewsQuery: the query of a news list as it stands in a URL, read into what the stores are asked. Pure. */
import { Result } from "effect"
import { sources } from "../domain/Article.ts"
import { lists, parseCursor } from "../store/ArticlePage.ts"
import type { Query } from "../store/ArticlePage.ts"
import { invalid } from "./HttpErrors.ts"
import type { Refusal } from "./HttpErrors.ts"

export interface Given {
  readonly category?: string | undefined
  readonly limit?: string | undefined
  readonly cursor?: string | undefined
  readonly source?: string | undefined
  readonly has_image?: string | undefined
}

export const mostLimit = 50
export const usualLimit = 10
const allSources = ["all", ...sources] as const

const bad = (code: string, detail: string): Result.Result<never, Refusal> => Result.fail({ status: 400, code, detail })
const flags: ReadonlyMap<string, boolean> = new Map([
  ...["true", "1", "yes", "on"].map((word) => [word, true] as const),
  ...["", "false", "0", "no", "off"].map((word) => [word, false] as const)
])

export const parse = (given: Given): Result.Result<Query, Refusal> => {
  const list = lists.find((name) => name === (given.category ?? "all"))
  if (list === undefined) return bad("INVALID_CATEGORY", `category is one of ${lists.join(", ")}`)
  const source = allSources.find((name) => name === (given.source ?? "all"))
  if (source === undefined) return bad("INVALID_SOURCE", `source is one of ${allSources.join(", ")}`)
  // an empty one is what a form or an old client sends for none
  const after = (given.cursor ?? "") === "" ? null : parseCursor(given.cursor ?? "")
  if (after === undefined) {
    return bad("INVALID_CURSOR_FORMAT", "cursor is the next_cursor of a page, {published_ms}_{id}")
  }
  const limitText = given.limit ?? String(usualLimit)
  const limit = Number(limitText)
  if (!/^[+-]?\d{1,9}$/.test(limitText)) return Result.fail(invalid("limit", "a whole number", "int_parsing"))
  if (limit < 1) return Result.fail(invalid("limit", "at least 1", "greater_than_equal"))
  if (limit > mostLimit) return Result.fail(invalid("limit", `at most ${mostLimit}`, "less_than_equal"))
  const hasImage = flags.get((given.has_image ?? "").toLowerCase())
  if (hasImage === undefined) return Result.fail(invalid("has_image", "true or false", "bool_parsing"))
  return Result.succeed({ list, source, hasImage, after, limit })
}

const names = ["category", "limit", "cursor", "source", "has_image"] as const

/** Of a request's address; a parameter given twice says nothing. */
export const ofUrl = (url: string): Result.Result<Query, Refusal> => {
  const mark = url.indexOf("?")
  if (mark < 0) return parse({})
  const query = new URLSearchParams(url.slice(mark + 1))
  if (names.some((name) => query.getAll(name).length > 1)) return bad("INVALID_REQUEST", "a parameter is given twice")
  return parse(Object.fromEntries(names.map((name) => [name, query.get(name) ?? undefined])))
}
