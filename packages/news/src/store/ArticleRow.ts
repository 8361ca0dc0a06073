/**
 * ArticleRow: decodes an article from Postgres. It is one JSON column, because the driver does not decode arrays.
 */
import { Schema } from "effect"
import { Article } from "../domain/Article.ts"

const { published_at: _, ...fields } = Article.fields

export const ArticleRow = Schema.Struct({ ...fields, published_ms: Schema.Int })
export type ArticleRow = typeof ArticleRow.Type

/** The select list for it, from `info.news_articles`. */
export const columns = `id, url, title, snippet, source, source_name, source_icon_url, thumbnail_url, video_url, category,
  keywords, ai_tag, (extract(epoch FROM published_at) * 1000)::bigint AS published_ms`

export const toArticle = ({ published_ms, ...rest }: ArticleRow): Article => ({
  ...rest,
  published_at: new Date(published_ms).toISOString()
})
