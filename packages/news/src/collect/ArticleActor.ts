/**
 * ArticleActor: the protocol for changes to articles outside of a run; ArticleBehavior handles it.
 *   - `AddPicture`: an article whose picture was found after its run had continued. It carries the whole article, because it may
 *     arrive before the run has stored it, in another process
 *   - `Refresh`: renews the cache if no run does so, for example because every source fails
 */
import { Actor } from "@eco2/core"
import { Schema } from "effect"
import { Article } from "../domain/Article.ts"

export const ArticleActor = Actor.make("news.articles", {
  AddPicture: Actor.tell({ payload: Article }),
  Refresh: Actor.tell({ payload: Schema.Struct({}) })
})
