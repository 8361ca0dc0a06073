/**
 * Replies: returns the answers of asks to their callers. A process has one stream for its answers, created at its first ask and
 * renewed while the process runs. The handling process appends to it, and one reader here completes the calls.
 * Every call has a deadline; one timer serves all. A late or repeated answer is dropped and counted; the message of an ended
 * call is withdrawn, and one past its deadline is not begun (Behavior).
 */
import { Context, Effect, Exit, Layer, Metric, Schema, Scope } from "effect"
import { randomUUID } from "node:crypto"
import { Mailbox } from "../mailbox/Mailbox.ts"
import type { MailboxFull, Message, MessageTooLarge } from "../mailbox/Mailbox.ts"
import * as PayloadLimit from "../redis/PayloadLimit.ts"
import * as ReadLoop from "../redis/ReadLoop.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Script from "../redis/Script.ts"
import { asks } from "../telemetry/Metrics.ts"
import { ReadReply } from "../mailbox/Delivery.ts"
import * as DueTimer from "../clock/DueTimer.ts"
import * as Supervisor from "../supervision/Supervisor.ts"

/** No answer came in time. Unknown: the message may have been handled, or may still be. */
export class AskTimeout extends Schema.TaggedError<AskTimeout>()("AskTimeout", {
  actor: Schema.String,
  type: Schema.String,
  millis: Schema.Number
}) {
  override get message() {
    return `${this.actor} did not answer ${this.type} within ${this.millis} ms`
  }
}
/** The handler could not answer: a defect, or incompatible versions. Unknown whether it did anything. */
export class AskFailed extends Schema.TaggedError<AskFailed>()("AskFailed", {
  actor: Schema.String,
  type: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.actor} could not answer ${this.type}: ${this.reason}`
  }
}
/** The message was handled, but its answer is larger than allowed. */
export class ReplyTooLarge extends Schema.TaggedError<ReplyTooLarge>()("ReplyTooLarge", {
  actor: Schema.String,
  type: Schema.String,
  bytes: Schema.Number
}) {
  override get message() {
    return `${this.actor} answered ${this.type} with ${this.bytes} bytes, allowed are ${PayloadLimit.mostBytes}`
  }
}

/** reply, error: JSON text · failed: the reason · large: the number of bytes. */
export interface Answer {
  readonly outcome: "reply" | "error" | "failed" | "large"
  readonly body: string
}
/** The asker, as named in the message. */
export interface Asker {
  readonly process: string
  readonly call: string
  /** When the asker stops waiting, epoch milliseconds by Redis's clock. */
  readonly due: number
}
/** Parses the `ask` field of a message, `<process> <call> <due>`; null when it is missing or malformed. */
export const askerOf = (field: string | undefined): Asker | null => {
  const [, process, call, due] = /^([0-9a-f-]{36}) (\d+) (\d+)$/.exec(field ?? "") ?? []
  return process === undefined || call === undefined ? null : { process, call, due: Number(due) }
}

export class Replies extends Context.Service<
  Replies,
  {
    /** Stores a message and waits for its answer; see Actor.ask. */
    readonly ask: (
      key: string,
      message: Message,
      deadlineMillis: number
    ) => Effect.Effect<Answer, AskTimeout | MessageTooLarge | MailboxFull | RedisError>
    /** Answers a call. False: the asker is gone. May be sent twice; the asker drops the second answer. */
    readonly answer: (asker: Asker, answer: Answer) => Effect.Effect<boolean, RedisError>
    /** Null while answers can be read, or nothing was asked; else what is wrong. */
    readonly trouble: () => string | null
  }
>()("@eco2/core/actor/Replies") {}

const inboxScript = Script.make({
  file: new URL("./scripts/inbox.lua", import.meta.url),
  numberOfKeys: 1,
  reply: Schema.Literals(["made", "renewed"])
})
const replyScript = Script.make({
  file: new URL("./scripts/reply.lua", import.meta.url),
  numberOfKeys: 1,
  reply: Schema.Literals([0, 1])
})

/** Longer than other reads, to save commands when idle. A silent connection is detected later, but callers have deadlines. */
const blockMillis = 45_000
/** How long the stream outlives its process; long enough that one renewal, made between reads, may fail. */
const ttlMillis = 180_000
const renewMillis = 80_000
const mostAnswers = 1_000
/** Answers read and not yet deleted. */
const mostKept = 100
const mostKeptCharacters = 1_048_576

interface Call {
  /** null: its time is over. */
  readonly answered: (answer: Answer | null) => void
  readonly dueAt: number
}

export const layer: Layer.Layer<Replies, never, RedisClient | Mailbox> = Layer.effect(
  Replies,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const mailbox = yield* Mailbox
    const scope = yield* Effect.scope
    const process = randomUUID()
    const inbox = redis.keys.replies(process)
    const decode = decodeReply("XREAD", ReadReply)
    const supervisor = Supervisor.make()
    const services = yield* Effect.context<never>()
    const fork = Effect.runForkWith(services)
    /** A counter names its series when it is made, so it is made once. */
    const counters = new Map<string, typeof asks>()
    const count = (actor: string, outcome: Answer["outcome"] | "timeout" | "late") => {
      const name = `${outcome} ${actor}`
      let counter = counters.get(name)
      if (counter === undefined) counters.set(name, (counter = Metric.withAttributes(asks, { actor, outcome })))
      counter.updateUnsafe(1, services)
    }
    const open = new Map<string, Call>()
    let calls = 0

    const deadlines = DueTimer.make((now) => {
      let next = Infinity
      for (const { answered, dueAt } of open.values()) {
        if (dueAt <= now) answered(null)
        else next = Math.min(next, dueAt)
      }
      return next
    })
    yield* Effect.addFinalizer(() => Effect.sync(deadlines.stop))

    let cursor = "0-0"
    /** "made": the stream was missing (flush, failover); its answers are lost, and their callers time out. */
    const renew = Effect.map(redis.run(inboxScript, [inbox], [ttlMillis]), (state) => {
      if (state === "made") cursor = "0-0"
    })
    /** After a time-out: the stream may be missing, so that the answer could not be stored. */
    const renewSoon = Effect.catch(renew, (error) =>
      Effect.logDebug("answer stream could not be renewed").pipe(Effect.annotateLogs({ error: error.message }))
    )
    const follow = Effect.gen(function* () {
      const reader = yield* redis.reader(inbox)
      let renewedAt = performance.now()
      let kept = 0
      let characters = 0
      const round = Effect.gen(function* () {
        if (performance.now() - renewedAt > renewMillis) {
          yield* renew
          renewedAt = performance.now()
        }
        if (kept >= mostKept || characters >= mostKeptCharacters) {
          yield* redis.send("XTRIM", inbox, "MINID", cursor)
          kept = 0
          characters = 0
        }
        const reply = yield* reader
          .read(blockMillis, "XREAD", "COUNT", mostAnswers, "BLOCK", blockMillis, "STREAMS", inbox, cursor)
          .pipe(Effect.flatMap(decode))
        for (const [id, fields] of reply?.[0]?.[1] ?? []) {
          cursor = id
          const [, call = "", , outcome, , body = ""] = fields ?? []
          kept++
          characters += body.length
          const asked = open.get(call)
          if (asked === undefined) count("", "late")
          else asked.answered({ outcome: outcome as Answer["outcome"], body })
        }
      })
      const answers = ReadLoop.make({
        begins: "answers cannot be read",
        ends: "answers are read again",
        // after a failure, a lost stream is created again at once
        failed: () => Effect.sync(() => void (renewedAt = -Infinity))
      })
      return yield* Effect.forever(answers.round(round))
    })
    let listens = false
    const listening = Effect.suspend(() => {
      if (listens) return Effect.void
      return Effect.andThen(
        renew,
        Effect.suspend(() => {
          if (listens) return Effect.void
          listens = true
          return Effect.provideService(supervisor.supervise("replies", Effect.scoped(follow)), Scope.Scope, scope)
        })
      )
    })

    return Replies.of({
      ask: (key, message, deadlineMillis) =>
        Effect.callback((resume) => {
          const call = String(calls++)
          const dueAt = performance.now() + deadlineMillis
          let entry: string | null = null
          /** undefined: it is open · null: it ended without one. */
          let answer: Answer | null | undefined
          const takeBack = Effect.suspend(() => (entry === null ? Effect.void : withdraw(key, message.mailbox, entry)))
          open.set(call, {
            answered: (came) => {
              open.delete(call)
              answer = came
              if (came === null) return resume(Effect.andThen(takeBack, timedOut(message, deadlineMillis)))
              count(message.mailbox, came.outcome)
              resume(Effect.succeed(came))
            },
            dueAt
          })
          deadlines.at(dueAt)
          const send = Effect.suspend(() =>
            // it may have ended before its answers could be read
            answer === null ? Effect.interrupt : mailbox.append(key, message, { process, call, deadlineMillis })
          )
          fork(Effect.andThen(listening, send)).addObserver((sent) => {
            if (Exit.isSuccess(sent)) entry = sent.value
            // it ended while it was sent: nobody waits for its answer
            if (answer === null) fork(takeBack)
            else if (Exit.isFailure(sent) && open.delete(call)) resume(Effect.failCause(sent.cause))
          })
          return Effect.suspend(() => {
            if (open.delete(call)) answer = null
            return takeBack
          })
        }),
      answer: (asker, { body, outcome }) =>
        Effect.map(
          redis.run(replyScript, [redis.keys.replies(asker.process)], [asker.call, outcome, body]),
          (told) => told === 1
        ),
      trouble: supervisor.trouble
    })

    function timedOut({ mailbox: actor, type }: Message, millis: number) {
      count(actor, "timeout")
      return Effect.andThen(Effect.forkIn(renewSoon, scope), Effect.fail(new AskTimeout({ actor, type, millis })))
    }

    /** Removes the message of an ended ask, so that nobody begins it. A running handler goes on. */
    function withdraw(key: string, name: string, entry: string) {
      return mailbox
        .withdraw(key, name, entry)
        .pipe(
          Effect.catch((error) =>
            Effect.logDebug("message of an ended ask could not be withdrawn").pipe(
              Effect.annotateLogs({ mailbox: name, error: error.message })
            )
          )
        )
    }
  })
)
