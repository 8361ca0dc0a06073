/**
 * ArticleActor: what happens to stored articles outside of a run. The protocol alone; what it does: ArticleBehavior.
 *   - `AddPicture`: an article whose picture was found after its run had gone on. The whole article, for it may come before
 *     the run has stored it, and in another process
 *   - `Refresh`: puts the cache in force again while no run does, as when every source fails
 */
import { Actor } from "@eco2/core"
import { Schema } from "effect"
import { Article } from "../domain/Article.ts"

export const ArticleActor = Actor.make("news.articles", {
  AddPicture: Actor.tell({ payload: Article }),
  Refresh: Actor.tell({ payload: Schema.Struct({}) })
})
