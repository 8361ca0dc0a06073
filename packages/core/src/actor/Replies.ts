/**
 * Replies: how answers to `ask` find their way back. A process has one stream for all answers to it, made at its first ask and
 * renewed while it lives; whoever handles a message appends to it, and one reader here hands each answer to its call.
 * Every call has a deadline, kept by one timer for all. An answer nobody waits for (late, or told twice) is dropped and
 * counted; a message whose call is over is taken back, and one past its deadline is not begun (actor/Behavior).
 */
import { Context, Deferred, Effect, Layer, Metric, Schema, Scope } from "effect"
import { randomUUID } from "node:crypto"
import { Mailbox } from "../mailbox/Mailbox.ts"
import type { MailboxFull, Message, MessageTooLarge } from "../mailbox/Mailbox.ts"
import * as Keys from "../redis/Keys.ts"
import * as PayloadLimit from "../redis/PayloadLimit.ts"
import * as ReadLoop from "../redis/ReadLoop.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"
import * as Script from "../redis/Script.ts"
import { asks } from "../telemetry/Metrics.ts"
import { ReadReply } from "../mailbox/Delivery.ts"
import * as DueTimer from "../clock/DueTimer.ts"
import * as Supervisor from "../supervision/Supervisor.ts"

/** No answer came in time. Unknown: the message may be handled, or may have been. */
export class AskTimeout extends Schema.TaggedError<AskTimeout>()("AskTimeout", {
  actor: Schema.String,
  type: Schema.String,
  millis: Schema.Number
}) {
  override get message() {
    return `${this.actor} did not answer ${this.type} within ${this.millis} ms`
  }
}
/** The handler could not answer: a bug, or versions that do not understand each other. Unknown whether it did anything. */
export class AskFailed extends Schema.TaggedError<AskFailed>()("AskFailed", {
  actor: Schema.String,
  type: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.actor} could not answer ${this.type}: ${this.reason}`
  }
}
/** The message was handled, and its answer is larger than what may travel. */
export class ReplyTooLarge extends Schema.TaggedError<ReplyTooLarge>()("ReplyTooLarge", {
  actor: Schema.String,
  type: Schema.String,
  bytes: Schema.Number
}) {
  override get message() {
    return `${this.actor} answered ${this.type} with ${this.bytes} bytes, allowed are ${PayloadLimit.mostBytes}`
  }
}

/** reply, error: JSON text · failed: why · large: how many bytes. */
export interface Answer {
  readonly outcome: "reply" | "error" | "failed" | "large"
  readonly body: string
}
/** Whom to answer, as it stands in an asked message. */
export interface Asker {
  readonly process: string
  readonly call: string
  /** When nobody waits any more, epoch milliseconds of Redis's clock. */
  readonly due: number
}
/** The `ask` field of a message: `<process> <call> <due>`; null where nobody asks, or it makes no sense. */
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
    /** Answers a call. False: nobody waits there any more. May be sent twice: the second is dropped by who asked. */
    readonly answer: (asker: Asker, answer: Answer) => Effect.Effect<boolean, RedisError>
    /** Null while answers can be read, or none is asked for; else what is wrong. */
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

/** Longer than other reads, for the idle budget; a connection gone silent costs answers for as long, which callers have deadlines for. */
const blockMillis = 30_000
/** The stream outlives its process by this; a renewal is looked at between reads, so that one may fail. */
const ttlMillis = 180_000
const renewMillis = 80_000
const mostAnswers = 1_000
/** Answers read and not yet deleted. */
const mostKept = 100
const mostKeptCharacters = 1_048_576

interface Call {
  readonly answered: Deferred.Deferred<Answer | null>
  readonly dueAt: number
}

export const layer: Layer.Layer<Replies, never, RedisClient | Mailbox> = Layer.effect(
  Replies,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const mailbox = yield* Mailbox
    const scope = yield* Effect.scope
    const process = randomUUID()
    const inbox = Keys.replies(process)
    const decode = decodeReply("XREAD", ReadReply)
    const supervisor = Supervisor.make()
    const late = Metric.withAttributes(asks, { actor: "", outcome: "late" })
    const open = new Map<string, Call>()
    let calls = 0

    const deadlines = DueTimer.make((now) => {
      let next = Infinity
      for (const { answered, dueAt } of open.values()) {
        if (dueAt <= now) Deferred.doneUnsafe(answered, Effect.succeed(null))
        else next = Math.min(next, dueAt)
      }
      return next
    })
    yield* Effect.addFinalizer(() => Effect.sync(deadlines.stop))

    let cursor = "0-0"
    /** Gone, by a flush or a failover: what was in it is lost, and its callers' deadlines tell them. */
    const renew = Effect.map(redis.run(inboxScript, [inbox], [ttlMillis]), (state) => {
      if (state === "made") cursor = "0-0"
    })
    /** An answer that never came may have found no stream to go to. */
    const renewSoon = Effect.catch(renew, (error) =>
      Effect.logDebug("the stream of answers could not be looked at").pipe(
        Effect.annotateLogs({ error: error.message })
      )
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
          if (asked === undefined) yield* Metric.update(late, 1)
          else Deferred.doneUnsafe(asked.answered, Effect.succeed({ outcome: outcome as Answer["outcome"], body }))
        }
      })
      const answers = ReadLoop.make({
        begins: "answers cannot be read",
        ends: "answers are read again",
        // what is lost is found out at once, not at the next renewal
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
      ask: Effect.fnUntraced(function* (key, message, deadlineMillis) {
        const call = String(calls++)
        const answered = Deferred.makeUnsafe<Answer | null>()
        const dueAt = performance.now() + deadlineMillis
        const labels = (outcome: string) => Metric.withAttributes(asks, { actor: message.mailbox, outcome })
        let entry: string | null = null
        const send = Effect.gen(function* () {
          yield* listening
          entry = yield* mailbox.append(key, message, { process, call, deadlineMillis })
          return yield* Deferred.await(answered)
        })
        open.set(call, { answered, dueAt })
        deadlines.at(dueAt)
        const answer = yield* Effect.raceFirst(send, Deferred.await(answered)).pipe(
          Effect.onExit((exit) =>
            Effect.suspend(() => {
              open.delete(call)
              if (open.size === 0) deadlines.stop()
              const over = exit._tag === "Failure" || exit.value === null
              return over && entry !== null ? withdraw(key, message.mailbox, entry) : Effect.void
            })
          )
        )
        if (answer === null) {
          yield* Metric.update(labels("timeout"), 1)
          yield* Effect.forkIn(renewSoon, scope)
          return yield* new AskTimeout({ actor: message.mailbox, type: message.type, millis: deadlineMillis })
        }
        yield* Metric.update(labels(answer.outcome), 1)
        return answer
      }),
      answer: (asker, { body, outcome }) =>
        Effect.map(
          redis.run(replyScript, [Keys.replies(asker.process)], [asker.call, outcome, body]),
          (told) => told === 1
        ),
      trouble: supervisor.trouble
    })

    /** Nobody waits for it: whoever would begin it need not. What is in work already is not disturbed. */
    function withdraw(key: string, name: string, entry: string) {
      return mailbox
        .withdraw(key, name, entry)
        .pipe(
          Effect.catch((error) =>
            Effect.logDebug("an ask that is over could not be taken back").pipe(
              Effect.annotateLogs({ mailbox: name, error: error.message })
            )
          )
        )
    }
  })
)
