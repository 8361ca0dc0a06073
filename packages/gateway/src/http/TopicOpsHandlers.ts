/**
 * TopicOpsHandlers: the operators' list of topics. The names are those that the code of the system has, of workers and authz too;
 * a test compares them with the sources.
 */
import { TopicList } from "@eco2/core/operations"
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { fromRedis } from "./OpsMailboxes.ts"
import { Api } from "./ScanApi.ts"

export const topics = ["blacklist.events", "character.cache", "models.served", "policy", "timers"]

export const layer = HttpApiBuilder.group(
  Api,
  "topics",
  Effect.fnUntraced(function* (handlers) {
    const { list } = yield* TopicList.TopicList
    return handlers.handle("list", () => Effect.mapError(list(topics), fromRedis))
  })
)
