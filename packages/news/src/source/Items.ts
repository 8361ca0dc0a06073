/**
 * Items: reads a reply's items one by one, so that an invalid item affects no other, and counts those that are no articles by
 * their cause. In pieces, for Slices.
 */
import { Option, Result, Schema } from "effect"
import type { Work } from "../Slices.ts"
import type { Cause, FoundArticle } from "./FoundArticle.ts"

export type Rejected = Readonly<Partial<Record<Cause, number>>>

export const total = (rejected: Rejected): number => Object.values(rejected).reduce((sum, count) => sum + count, 0)

/** A repeated item counts once. */
export function* collect<I>(
  items: Iterable<I>,
  read: (item: I) => Result.Result<FoundArticle, Cause>
): Work<{ readonly articles: ReadonlyArray<FoundArticle>; readonly rejected: Rejected }> {
  const articles = new Map<string, FoundArticle>()
  const rejected: Partial<Record<Cause, number>> = {}
  for (const item of items) {
    Result.match(read(item), {
      onSuccess: (article) => {
        if (!articles.has(article.id)) articles.set(article.id, article)
      },
      onFailure: (cause) => {
        rejected[cause] = (rejected[cause] ?? 0) + 1
      }
    })
    yield
  }
  return { articles: [...articles.values()], rejected }
}

/** As `read`, for an item that is not known to be in the source's form. */
export const decoded = <S extends Schema.Codec<unknown, unknown>>(
  schema: S,
  read: (item: S["Type"]) => Result.Result<FoundArticle, Cause>
): ((item: unknown) => Result.Result<FoundArticle, Cause>) => {
  const decode = Schema.decodeUnknownOption(schema)
  return (item) => Option.match(decode(item), { onNone: () => Result.fail("form" as const), onSome: read })
}
