/**
 * FleetTelemetry: the gauges of the whole fleet, told by a process that need not serve any of it, as a gateway: for every mailbox
 * that was ever served depth, age, letters and the living processes that serve it; and the processes by role and state. So a role
 * whose processes are all dead, or frozen, is seen by somebody else. Read at a scrape (Gauges).
 * Neighbours: Serving (which process serves what), Unserved (the names), WorkerTelemetry (what a worker tells of itself).
 */
import { Effect, Metric } from "effect"
import type { Scope } from "effect"
import { CoreConfig } from "../config/CoreConfig.ts"
import { Mailbox } from "../mailbox/Mailbox.ts"
import * as MailboxGauges from "../mailbox/MailboxGauges.ts"
import * as Serving from "../mailbox/Serving.ts"
import { Unserved } from "../mailbox/Unserved.ts"
import { Policies } from "../policy/Policies.ts"
import { RedisClient } from "../redis/RedisClient.ts"
import { Gauges } from "../telemetry/Gauges.ts"
import * as Metrics from "../telemetry/Metrics.ts"

/** `<role>.<uuid>` */
const roleOf = (token: string) => token.split(".", 1)[0] ?? ""

export const register: Effect.Effect<
  void,
  never,
  RedisClient | CoreConfig | Mailbox | Unserved | Policies | Gauges | Scope.Scope
> = Effect.gen(function* () {
  const redis = yield* RedisClient
  const { clockOffsetMillis } = yield* CoreConfig
  const mailboxes = yield* Mailbox
  const unserved = yield* Unserved
  const policies = yield* Policies
  const gauges = yield* Gauges
  /** Roles that were ever told of: a role without processes is told of as 0. */
  const roles = new Set<string>()

  const read = Effect.gen(function* () {
    const [names, { processes, servers }] = yield* Effect.all(
      [unserved.known, Effect.provideService(Serving.read(clockOffsetMillis), RedisClient, redis)],
      { concurrency: "unbounded" }
    )
    const counts = new Map<string, number>()
    for (const [token, state] of processes) {
      roles.add(roleOf(token))
      const counted = `${roleOf(token)} ${state}`
      counts.set(counted, (counts.get(counted) ?? 0) + 1)
    }
    for (const role of roles) {
      for (const state of Serving.states) {
        const labelled = Metric.withAttributes(Metrics.processes, { role, state })
        yield* Metric.update(labelled, counts.get(`${role} ${state}`) ?? 0)
      }
    }
    const drained = [...policies.draining().keys()].filter((token) => processes.get(token) === "alive")
    yield* Metric.update(Metrics.drainedProcesses, drained.length)
    for (const mailbox of names) {
      const isPaused = policies.paused().has(mailbox) ? 1 : 0
      yield* Metric.update(Metric.withAttributes(Metrics.mailboxPaused, { mailbox }), isPaused)
      yield* Metric.update(Metric.withAttributes(Metrics.mailboxServers, { mailbox }), servers(mailbox))
    }
    yield* MailboxGauges.update(names, yield* mailboxes.depths(names))
  })
  // when Redis does not answer, a scrape shows the last known figures; eco2_redis_up says that they are old
  yield* gauges.register(Effect.ignore(read))
})
