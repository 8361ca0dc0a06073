/**
 * FleetTelemetry: the gauges of the whole fleet, told by a process that need not serve any of it, as a gateway: for every mailbox
 * that was ever served depth, age, letters and the living processes that serve it; and the processes by role and state. So a role
 * whose processes are all dead, or frozen, is seen by somebody else. Read at a scrape (Gauges).
 * Neighbours: Lease (which process serves what), Unserved (the names), WorkerTelemetry (what a worker tells of itself).
 */
import { Effect, Metric, Schema } from "effect"
import type { Scope } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import { Mailbox } from "../mailbox/Mailbox.ts"
import * as MailboxGauges from "../mailbox/MailboxGauges.ts"
import { Unserved } from "../mailbox/Unserved.ts"
import * as Pairs from "../redis/Pairs.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import * as ServerTime from "../redis/ServerTime.ts"
import { Gauges } from "../telemetry/Gauges.ts"
import * as Metrics from "../telemetry/Metrics.ts"

const Words = Schema.Array(Schema.String)
const states = ["alive", "expired", "condemned"] as const

/** `<role>.<uuid>` */
const roleOf = (token: string) => token.split(".", 1)[0] ?? ""

export const register: Effect.Effect<
  void,
  never,
  RedisClient | CoreConfig | Mailbox | Unserved | Gauges | Scope.Scope
> = Effect.gen(function* () {
  const redis = yield* RedisClient
  const { clockOffsetMillis } = yield* CoreConfig
  const mailboxes = yield* Mailbox
  const unserved = yield* Unserved
  const gauges = yield* Gauges
  const decodeLeases = decodeReply("ZRANGE", Words)
  const decodeServing = decodeReply("HGETALL", Words)
  /** Roles that were ever told of: a role without processes is told of as 0. */
  const roles = new Set<string>()

  const read = Effect.gen(function* () {
    const [names, leases, serving, time] = yield* Effect.all(
      [
        unserved.known,
        Effect.flatMap(redis.send("ZRANGE", redis.keys.alive, 0, -1, "WITHSCORES"), decodeLeases),
        Effect.flatMap(redis.send("HGETALL", redis.keys.serving), decodeServing),
        Effect.flatMap(redis.send("TIME"), ServerTime.decode)
      ],
      { concurrency: "unbounded" }
    )
    const now = time + clockOffsetMillis
    const served = Pairs.toMap(serving)
    const servers = new Map<string, number>()
    const counts = new Map<string, number>()
    /** Processes of an earlier version, or in their first seconds. */
    let untold = 0
    for (const [token, text] of Pairs.toMap(leases)) {
      const score = Number(text)
      const state = score < 0 ? "condemned" : score <= now ? "expired" : "alive"
      roles.add(roleOf(token))
      const counted = `${roleOf(token)} ${state}`
      counts.set(counted, (counts.get(counted) ?? 0) + 1)
      if (state !== "alive") continue
      const told = served.get(token)
      if (told === undefined) untold++
      for (const name of told?.split(" ") ?? []) servers.set(name, (servers.get(name) ?? 0) + 1)
    }
    for (const role of roles) {
      for (const state of states) {
        const labelled = Metric.withAttributes(Metrics.processes, { role, state })
        yield* Metric.update(labelled, counts.get(`${role} ${state}`) ?? 0)
      }
    }
    for (const mailbox of names) {
      const labelled = Metric.withAttributes(Metrics.mailboxServers, { mailbox })
      yield* Metric.update(labelled, (servers.get(mailbox) ?? 0) + untold)
    }
    yield* MailboxGauges.update(names, yield* mailboxes.depths(names))
  })
  // when Redis does not answer, a scrape shows the last known figures; eco2_redis_up says that they are old
  yield* gauges.register(Effect.ignore(read))
})
