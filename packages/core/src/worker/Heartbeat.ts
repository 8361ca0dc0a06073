/**
 * Heartbeat: renews the process's lease, takes over entries of dead processes, and reconciles deliveries with the pending list.
 * Invariants A1 (only entries of the dead are taken, after one lease of good beats of our own), A4 (fibers match the pending
 * list), J7 (within one beat a cancelled job's fiber is interrupted: its entry is gone). One timer serves beats and expiries.
 */
import { Cause, Duration, Effect, Metric, Queue } from "effect"
import type { Scope } from "effect"
import { randomUUID } from "node:crypto"
import { CoreConfig } from "../config/CoreConfig.ts"
import { Entries, keyOf } from "../mailbox/Delivery.ts"
import type { Fleet } from "../mailbox/Suspicion.ts"
import * as StoreClock from "../clock/StoreClock.ts"
import { Lease } from "./Lease.ts"
import type { Beat } from "./Lease.ts"
import { group } from "../mailbox/Mailbox.ts"
import { dispatch } from "./Reader.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Metrics from "../telemetry/Metrics.ts"
import type { EventLoop } from "../telemetry/EventLoop.ts"
import * as OutageLog from "../telemetry/OutageLog.ts"
import * as Elapsed from "../clock/Elapsed.ts"
import type { Supervisor } from "../supervision/Supervisor.ts"
import * as Ending from "./Ending.ts"
import type { Workload } from "./Workload.ts"

export interface Heartbeat {
  /** The process's current token, which is its consumer name. */
  readonly token: () => string
  /** When the last beat was answered, by Elapsed. */
  readonly lastBeat: () => number
  /** Redis's clock by the last beat, epoch milliseconds (StoreClock). */
  readonly storeTime: () => number
  /** The crashes of this role within the last ten minutes, and its processes, by the last beat (A2). */
  readonly fleet: () => Fleet
  /** Gives the lease up and stops beating; others may take over what the process still holds. */
  readonly leave: Effect.Effect<void>
}

/** How often a process without work reconciles with its pending list and searches for consumers without a lease. */
const lookMillis = 60_000
/** How long Redis may still deliver entries to a dead process's last read: the longest block and a margin. */
const lateReadMillis = 25_000
const expirySlackMillis = 20
/** Two clocks run apart by less than this between two beats; a larger difference is a step. */
const mostDriftMillis = 1_000
/** Added to Redis's clock as we know it, which is late by the time the last answer took. */
const clockSlackMillis = 250

/**
 * Runs `each` for all, one after the other, until one fails; the next time first for the one after that. So one that fails again
 * and again (a partition whose server is down) ends a round, but not each time before the same others.
 */
const inTurn = <A>() => {
  let first = 0
  return <E>(all: ReadonlyArray<A>, each: (one: A) => Effect.Effect<void, E>): Effect.Effect<void, E> =>
    Effect.forEach(
      all.map((_, i) => (first + i) % all.length),
      (at) => Effect.tapError(each(all[at]!), () => Effect.sync(() => void (first = at + 1))),
      { discard: true }
    )
}

export const make = Effect.fnUntraced(function* (
  workload: Workload,
  role: string,
  supervisor: Supervisor,
  eventLoop: EventLoop["Service"],
  /** Called when a process is found dead that was not before. */
  died: () => void
): Effect.fn.Return<Heartbeat, RedisError, Lease | Keyspace | CoreConfig | RedisClient | Scope.Scope> {
  const lease = yield* Lease
  const keyspace = yield* Keyspace
  const { partitions } = keyspace
  const redis = yield* RedisClient
  const config = yield* CoreConfig
  const scope = yield* Effect.scope
  const millis = yield* Elapsed.clock
  const leaseMillis = Duration.toMillis(config.lease)
  const beatMillis = leaseMillis / 3
  /** A longer gap is a missed beat. Another process's lease ends no sooner than two beats after an outage began. */
  const mostGapMillis = 1.5 * beatMillis
  const wake = yield* Queue.sliding<void>(1)
  const decodeEntries = decodeReply("XRANGE", Entries)
  const outage = OutageLog.make("heartbeat failed", "heartbeat succeeds again")
  const newToken = () => `${role}.${randomUUID()}`

  let token = newToken()
  let left = false
  let goodSince = millis()
  let lastBeat = goodSince
  // the first look is due when this process may take entries over
  let lastLook = goodSince - lookMillis + leaseMillis
  /** Makes the next beat look, instead of a look in a minute. */
  const lookAgain = () => {
    lastLook = millis() - lookMillis
  }
  /** Number of mailboxes served at the last look; it never shrinks. */
  let lookedAt = 0
  let reconnects = redis.reconnects()
  const clock = StoreClock.make(Math.min(leaseMillis / 6, mostDriftMillis))
  let clockSetBack = false
  let fleet: Fleet = { crashes: 0, processes: 1 }
  /** Dead tokens without entries left to take. */
  const cleared = new Set<string>()
  let lastCleared = -Infinity
  const partitionsToReap = inTurn<Partition>()
  const deadToReap = inTurn<string>()
  const partitionsToLookAt = inTurn<Partition>()
  /** Entries pending for us that no fiber works on; adopted when they are listed twice in a row. */
  let suspects = new Set<string>()

  /** Dead tokens that were told; those of the last answer, which is bounded. */
  let told: ReadonlySet<string> = new Set()
  const learn = ({ dead, processes }: Beat) => {
    if (dead.some((name) => !told.has(name))) died()
    told = new Set(dead)
    fleet = { crashes: dead.filter((name) => name.startsWith(`${role}.`)).length, processes }
  }

  const mailboxes = () => [...workload.servers.keys()]

  const reap = (dead: string) => {
    let taken = 0
    return Effect.gen(function* () {
      if (mailboxes().length === 0) return
      let left = 0
      yield* partitionsToReap(
        partitions,
        Effect.fnUntraced(function* (partition) {
          const free = mailboxes().map((name) => [name, Math.max(0, workload.free(name))] as const)
          for (const [name, slots] of free) workload.ask(name, slots)
          const reaped = yield* lease.reap(partition, dead, token, free).pipe(
            Effect.ensuring(
              Effect.sync(() => {
                for (const [name, slots] of free) workload.ask(name, -slots)
              })
            )
          )
          left += reaped.left
          const found = reaped.taken.flatMap(({ entries, mailbox }) =>
            entries.flatMap((entry) => workload.add(partition, mailbox, token, entry) ?? [])
          )
          taken += found.length
          // before the next partition, which may fail: a delivery that is never dispatched would keep its slot for ever
          if (found.length > 0) yield* Effect.forkIn(dispatch(workload, found), scope)
        })
      )
      if (left === 0) {
        cleared.add(dead)
        lastCleared = millis()
      }
    }).pipe(
      Effect.ensuring(
        Effect.suspend(() =>
          taken === 0
            ? Effect.void
            : Effect.logWarning("took over the work of a dead process").pipe(
                Effect.annotateLogs({ process: dead, entries: taken })
              )
        )
      )
    )
  }

  const reapAll = (dead: ReadonlyArray<string>) =>
    dead.length === 0 ? Effect.void : workload.exclusively(deadToReap(dead, reap))

  const condemn = (tokens: ReadonlyArray<string>) => lease.condemn(tokens, clock.at(millis()) + clockSlackMillis)

  const reapExpired = Effect.fnUntraced(function* (candidates: ReadonlyArray<string>) {
    if (millis() - goodSince < leaseMillis || mailboxes().length === 0) return
    const open = candidates.filter((candidate) => candidate !== token && !cleared.has(candidate))
    yield* reapAll(yield* condemn(open))
  })

  const adopt = Effect.fnUntraced(function* (partition: Partition, mailbox: string, entry: string) {
    if (workload.free(mailbox) <= 0) return
    // the slot is taken before the read: otherwise a kept job may take it meanwhile
    workload.ask(mailbox, 1)
    const found = yield* redis
      .send("XRANGE", partition.mailbox(mailbox), entry, entry)
      .pipe(Effect.flatMap(decodeEntries), Effect.ensuring(Effect.sync(() => workload.ask(mailbox, -1))))
    // its sender withdrew it while the read's answer was lost: it stays pending until we acknowledge it
    if (found.length === 0) yield* redis.send("XACK", partition.mailbox(mailbox), group, entry)
    const deliveries = found.flatMap((one) => workload.add(partition, mailbox, token, one) ?? [])
    if (deliveries.length > 0) yield* Effect.forkIn(dispatch(workload, deliveries), scope)
  })

  /** Interrupts deliveries that are no longer ours and collects pending entries without a fiber, to be adopted (A4). */
  const reconcile = Effect.fnUntraced(function* (
    partition: Partition,
    look: boolean,
    nextSuspects: Set<string>,
    orphans: Array<readonly [partition: Partition, mailbox: string, entry: string]>
  ) {
    const asOf = workload.tick()
    const { mine, others } = yield* lease.held(partition, token, mailboxes(), look)
    const held = new Set<string>()
    for (const [mailbox, entries] of mine) {
      for (const entry of entries) {
        const key = keyOf(partition, mailbox, entry)
        held.add(key)
        if (workload.deliveries.has(key)) continue
        if (suspects.has(key)) orphans.push([partition, mailbox, entry])
        nextSuspects.add(key)
      }
    }
    for (const delivery of [...workload.deliveries.values()]) {
      if (delivery.partition !== partition || delivery.bornAt >= asOf || held.has(delivery.key)) continue
      yield* Effect.forkIn(Ending.end(workload, delivery, "lost"), scope)
    }
    return others
  })

  /** After this process was condemned while silent: others have its work, and it continues under a new token. */
  const startOver = Effect.fnUntraced(function* (silentSince: number) {
    const old = token
    token = newToken()
    goodSince = millis()
    // the next look finds entries taken back below while their old fibers are still ending
    lastLook = goodSince - lookMillis
    yield* Effect.logWarning("lease lost; running work interrupted").pipe(
      Effect.annotateLogs({
        process: old,
        entries: workload.deliveries.size,
        // the first much smaller than the second: Redis did not answer, or its clock stepped
        loop_stalled_seconds: Math.round(eventLoop.stalledSince(silentSince) * 10) / 10,
        silent_seconds: Math.round((millis() - silentSince) / 100) / 10
      })
    )
    for (const delivery of [...workload.deliveries.values()])
      yield* Effect.forkIn(Ending.end(workload, delivery, "lost"), scope)
    yield* lease.beat(token, "register")
    // entries read under the old token after it was condemned would be found by nobody else
    yield* reapAll(yield* condemn([old]))
  })

  /**
   * Redis's clock has stepped, or is another one. Set forward, all leases seem to be over: nobody is judged before everybody could
   * beat again. Set back, what Redis times (retries, schedules, limits, leases of the dead) waits until it has caught up.
   */
  const clockStepped = Effect.fnUntraced(function* (step: number, at: number) {
    goodSince = at
    clockSetBack = step < 0
    const direction = step < 0 ? "back" : "forward"
    yield* Metric.update(Metric.withAttributes(Metrics.clockSteps, { direction }), 1)
    yield* Effect.logWarning(
      step < 0
        ? "redis's clock was set back: retries, schedules and limits wait until it has caught up"
        : "redis's clock was set forward: retries, schedules, limits and deadlines come early"
    ).pipe(Effect.annotateLogs({ seconds: Math.round(step / 100) / 10 }))
  })

  const beat = Effect.fnUntraced(function* () {
    const sentAt = millis()
    const answer = yield* lease.beat(token, "beat", clockSetBack, mailboxes().toSorted())
    const { alive, dead, meta, nextExpiryMillis } = answer
    const at = millis()
    clockSetBack = false
    learn(answer)
    const step = clock.hear({ now: answer.now, sentAt, answeredAt: at })
    if (step !== 0) yield* clockStepped(step, at)
    const before = lastBeat
    // what kept this process from beating may have kept the others too: their leases are over, and they live
    if (at - before > mostGapMillis) goodSince = at
    lastBeat = at
    yield* keyspace.heard(meta)
    if (!alive) {
      yield* startOver(before)
      return beatMillis
    }
    yield* reapExpired(dead)
    const back = redis.reconnects() !== reconnects
    reconnects = redis.reconnects()
    const lookAfter = at - lastCleared < lateReadMillis ? leaseMillis : lookMillis
    // dead processes may also have left entries in mailboxes served only since the last look
    const served = mailboxes().length > lookedAt && at - goodSince >= leaseMillis
    const look = back || workload.overlooked || served || at - lastLook >= lookAfter || suspects.size > 0
    if (look) {
      lastLook = at
      lookedAt = mailboxes().length
      workload.overlooked = false
    }
    const nextSuspects = new Set<string>()
    const others = new Set<string>()
    const orphans: Array<readonly [partition: Partition, mailbox: string, entry: string]> = []
    // what was found is dealt with first: a partition that does not answer must not keep the others' entries from adoption
    const looked = yield* Effect.result(
      partitionsToLookAt(
        partitions,
        Effect.fnUntraced(function* (partition) {
          const working = look || [...workload.deliveries.values()].some((delivery) => delivery.partition === partition)
          if (!working || mailboxes().length === 0) return
          for (const other of yield* reconcile(partition, look, nextSuspects, orphans)) others.add(other)
        })
      )
    )
    suspects = nextSuspects
    if (orphans.length > 0) {
      yield* workload.exclusively(Effect.forEach(orphans, (orphan) => adopt(...orphan), { discard: true }))
    }
    if (others.size > 0 && millis() - goodSince >= leaseMillis) {
      // null: a read did not end in time, and nothing was taken
      if ((yield* reapAll(yield* condemn([...others]))) === null) lookAgain()
    } else if (others.size > 0) {
      // too early to condemn them
      lookAgain()
    }
    if (looked._tag === "Failure") return yield* Effect.fail(looked.failure)
    return nextExpiryMillis === null ? beatMillis : Math.min(beatMillis, nextExpiryMillis + expirySlackMillis)
  })

  const askedAt = millis()
  const first = yield* lease.beat(token, "register")
  clock.hear({ now: first.now, sentAt: askedAt, answeredAt: millis() })
  learn(first)
  /** Until the beat after one that failed: in time, where only the work after its answer failed (a partition was silent). */
  const afterFailure = () => {
    const sinceAnswer = millis() - lastBeat
    return Math.min(1_000, sinceAnswer < beatMillis ? beatMillis - sinceAnswer : beatMillis)
  }
  const loop = Effect.gen(function* () {
    while (!left) {
      const next = yield* beat().pipe(
        // a look may have been broken off
        Effect.tapCause(() => Effect.sync(lookAgain)),
        Effect.tap(() => outage.over),
        Effect.catch((error) => Effect.map(outage.failed(error), afterFailure))
      )
      yield* Effect.timeoutOption(Queue.take(wake), Duration.millis(next))
    }
  })
  yield* supervisor.supervise("heartbeat", loop)

  return {
    token: () => token,
    lastBeat: () => lastBeat,
    storeTime: () => clock.at(millis()),
    fleet: () => fleet,
    // a token without entries is removed; one that still holds entries is marked dead at once
    leave: Effect.suspend(() => {
      left = true
      const holdsNothing = workload.deliveries.size === 0 && !workload.overlooked && suspects.size === 0
      return lease.beat(token, holdsNothing ? "leave" : "abandon")
    }).pipe(
      Effect.timeoutOption("2 seconds"),
      Effect.ignore,
      // the same defect may have caused this stop; the lease expires by itself
      Effect.catchDefect((defect) => Effect.logError("lease could not be released", Cause.die(defect)))
    )
  }
})
