/** Items: decodes a reply's items one by one, so that an invalid item affects no other. */
import { Option, Schema } from "effect"
import type { FoundArticle } from "./FoundArticle.ts"

/** `read` returns null for an item that is not an article. A repeated item counts once. */
export const collect = <S extends Schema.Codec<unknown, unknown>>(
  items: ReadonlyArray<unknown>,
  schema: S,
  read: (item: S["Type"]) => FoundArticle | null
): { readonly articles: ReadonlyArray<FoundArticle>; readonly rejected: number } => {
  const decode = Schema.decodeUnknownOption(schema)
  const articles = new Map<string, FoundArticle>()
  let rejected = 0
  for (const item of items) {
    const article = Option.getOrNull(Option.flatMapNullishOr(decode(item), read))
    if (article === null) rejected++
    else if (!articles.has(article.id)) articles.set(article.id, article)
  }
  return { articles: [...articles.values()], rejected }
}
