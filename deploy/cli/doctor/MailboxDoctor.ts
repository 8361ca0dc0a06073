/**
 * MailboxDoctor: mailboxes that have had work for a minute and no living process that serves it (Unserved), and those of scans and
 * characters that nobody serves, with or without work (Serving): workers may be at another Redis, database or prefix. Read-only: a Redis
 * without Eco²'s data is not looked at, because Keyspace would make it ours. RedisDoctor reports a Redis that does not answer.
 */
import { mailboxes } from "@eco2/actors/protocol"
import { CoreConfig, Mailbox, Policies, Topic } from "@eco2/core/client"
import { Serving, Unserved } from "@eco2/core/operations"
import { Keyspace, RedisClient } from "@eco2/core/redis"
import { Effect, Layer } from "effect"
import { failing, ok, warn } from "./Finding.ts"
import type { Finding } from "./Finding.ts"

const check = "mailboxes.served"
const leastAgeMillis = 60_000

const services = Unserved.layer.pipe(
  Layer.provide(Mailbox.layer),
  Layer.provideMerge(Policies.layer),
  Layer.provide([Topic.layer, Keyspace.layer]),
  Layer.fresh
)
const minutes = (since: number) => `${Math.max(1, Math.round((Date.now() - since) / 60_000))} min`

export const examine: Effect.Effect<ReadonlyArray<Finding>> = Effect.gen(function* () {
  const redis = yield* RedisClient.RedisClient
  if ((yield* redis.send("EXISTS", redis.keys.meta)) === 0) return []
  const { draining, found, paused } = yield* Effect.gen(function* () {
    const unserved = yield* Unserved.Unserved
    const policies = yield* Policies.Policies
    return {
      found: yield* unserved.find([...new Set([...(yield* unserved.known), ...mailboxes])], leastAgeMillis),
      paused: policies.paused(),
      draining: policies.draining()
    }
  }).pipe(Effect.provide(services))
  const stopped = [
    ...Array.from(paused, ([mailbox, since]) =>
      warn(
        "mailboxes.paused",
        `an operator paused ${mailbox} ${minutes(since)} ago: nothing is taken from it`,
        `eco2 mailboxes resume ${mailbox}`
      )
    ),
    ...Array.from(draining, ([token, since]) =>
      warn(
        "processes.drained",
        `an operator drained ${token} ${minutes(since)} ago: it takes no work, if it still lives`,
        `eco2 processes resume ${token}`
      )
    )
  ]
  const { servers } = yield* Serving.read((yield* CoreConfig).clockOffsetMillis)
  const alone = mailboxes.filter((name) => servers(name) === 0 && !found.some(({ mailbox }) => mailbox === name))
  const waiting =
    alone.length === 0
      ? []
      : [
          warn(
            "mailboxes.servers",
            `no living process serves ${alone.join(", ")}`,
            "start the roles that serve them; if they run, compare REDIS_URL (its database too) and KEY_PREFIX with theirs"
          )
        ]
  if (found.length === 0) return [ok(check, "every mailbox with work is served"), ...waiting, ...stopped]
  const late = found.map(({ entries, mailbox, oldestMillis }) =>
    failing(
      check,
      `${mailbox}: ${entries} entries, the oldest ${Math.round(oldestMillis / 1000)} s old, and no process serves it`,
      "deploy the role that serves it; if the stage was renamed or removed, see docs/operations/alerts.md, Eco2MailboxUnserved"
    )
  )
  return [...late, ...waiting, ...stopped]
}).pipe(
  Effect.provide(Layer.fresh(Layer.merge(RedisClient.layer, CoreConfig.layer))),
  Effect.catch(() => Effect.succeed([]))
)
