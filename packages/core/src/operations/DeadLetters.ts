/**
 * DeadLetters: the operator's view of dead letters: what was given up, and why. A job is kept as long as its letter (J2: a
 * redriven job resumes at the failed stage). Scripts that write letters: bury, begin, promote (at the deadline) and settle. The
 * letter is removed when its job succeeds, is cancelled or is redriven. Timers start the automatic rounds of parked jobs.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { JobId } from "../job/Job.ts"
import { JobStore } from "../job/JobStore.ts"
import { Keyspace } from "../redis/Keyspace.ts"
import type { Partition } from "../redis/Keys.ts"
import * as Pairs from "../redis/Pairs.ts"
import { decodeReply, RedisClient } from "../redis/RedisClient.ts"
import type { RedisError } from "../redis/RedisError.ts"

export interface Letter {
  /** `<partition>/<entry id>`, unique within the mailbox. */
  readonly id: string
  readonly mailbox: string
  /** Null for a message without a job. */
  readonly jobId: JobId | null
  /** The error's tag. */
  readonly cause: string
  readonly message: string
  readonly attempts: number
  /** Epoch milliseconds. */
  readonly first: number
  readonly last: number
  /** All fields of the letter, a message's body included. */
  readonly fields: ReadonlyMap<string, string>
}

/** There is no letter with this id. Nothing happened. */
export class LetterUnknown extends Schema.TaggedError<LetterUnknown>()("LetterUnknown", { id: Schema.String }) {}

export class DeadLetters extends Context.Service<
  DeadLetters,
  {
    /** Newest first, up to `limit`; with `cause` only letters of that tag, however many newer ones of other tags there are. */
    readonly list: (
      mailbox: string,
      options: { readonly limit: number; readonly cause?: string }
    ) => Effect.Effect<ReadonlyArray<Letter>, RedisError>
    readonly show: (mailbox: string, id: string) => Effect.Effect<Letter, LetterUnknown | RedisError>
    /** For a job: starts its next round or a new run. For a message: returns it to its mailbox, its attempts reset. */
    readonly redrive: (letter: Letter) => Effect.Effect<"redriven" | "open" | "missing", RedisError>
    /** Deletes the letter; a failed job is still kept as long as before. */
    readonly discard: (letter: Letter) => Effect.Effect<void, RedisError>
  }
>()("@eco2/core/operations/DeadLetters") {}

const Entries = Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.String)]))
/** Letters read at once in a search for one cause. */
const pageOfLetters = 200
const isJobId = Schema.is(JobId)

const toLetter = (mailbox: string, partition: number, entry: string, flat: ReadonlyArray<string>): Letter => {
  const fields = Pairs.toMap(flat)
  const job = fields.get("job") ?? ""
  return {
    id: `${partition}/${entry}`,
    mailbox,
    jobId: isJobId(job) ? job : null,
    cause: fields.get("cause") ?? "",
    message: fields.get("message") ?? "",
    attempts: Pairs.whole(fields, "attempts", 0),
    first: Pairs.whole(fields, "first", 0),
    last: Pairs.whole(fields, "last", 0),
    fields
  }
}

export const layer: Layer.Layer<DeadLetters, never, RedisClient | Keyspace | JobStore> = Layer.effect(
  DeadLetters,
  Effect.gen(function* () {
    const redis = yield* RedisClient
    const keyspace = yield* Keyspace
    const store = yield* JobStore
    const decode = decodeReply("XRANGE", Entries)

    const place = (mailbox: string, id: string) => {
      const [, index, entry] = /^(\d+)\/(\d+-\d+)$/.exec(id) ?? []
      const partition = keyspace.partitions[Number(index)]
      return partition === undefined || entry === undefined ? null : { partition, key: partition.dead(mailbox), entry }
    }
    const remove = (letter: Letter) => {
      const at = place(letter.mailbox, letter.id)
      return at === null ? Effect.void : Effect.asVoid(redis.send("XDEL", at.key, at.entry))
    }

    /** Reads page by page until enough letters have the cause, or there are no more: the filter applies before the cut. */
    const newest = Effect.fnUntraced(function* (
      partition: Partition,
      mailbox: string,
      limit: number,
      cause: string | undefined
    ) {
      const found: Array<Letter> = []
      const count = cause === undefined ? limit : pageOfLetters
      let before = "+"
      while (found.length < limit) {
        const entries = yield* redis
          .send("XREVRANGE", partition.dead(mailbox), before, "-", "COUNT", count)
          .pipe(Effect.flatMap(decode))
        for (const [entry, flat] of entries) {
          const letter = toLetter(mailbox, partition.index, entry, flat)
          if (found.length < limit && (cause === undefined || letter.cause === cause)) found.push(letter)
        }
        const last = entries.at(-1)
        if (last === undefined || entries.length < count) break
        before = `(${last[0]}`
      }
      return found
    })

    return DeadLetters.of({
      list: Effect.fnUntraced(function* (mailbox, { cause, limit }) {
        const parts = yield* Effect.forEach(
          keyspace.partitions,
          (partition) => newest(partition, mailbox, limit, cause),
          {
            concurrency: "unbounded"
          }
        )
        return parts
          .flat()
          .toSorted((a, b) => b.last - a.last)
          .slice(0, limit)
      }),
      show: Effect.fnUntraced(function* (mailbox, id) {
        const at = place(mailbox, id)
        if (at === null) return yield* new LetterUnknown({ id })
        const [found] = yield* redis.send("XRANGE", at.key, at.entry, at.entry).pipe(Effect.flatMap(decode))
        return found === undefined
          ? yield* new LetterUnknown({ id })
          : toLetter(mailbox, at.partition.index, found[0], found[1])
      }),
      redrive: Effect.fnUntraced(function* (letter) {
        if (letter.jobId !== null) {
          const outcome = yield* store.redrive(letter.jobId)
          // a letter without a job is useless; the letter of an open job has the reason of its round
          if (outcome === "missing") yield* remove(letter)
          return outcome
        }
        const at = place(letter.mailbox, letter.id)
        if (at === null) return "missing"
        // the message is stored before its letter is deleted: delivered twice rather than lost
        const [type, body] = [letter.fields.get("type") ?? "", letter.fields.get("body") ?? ""]
        yield* redis.send(
          "XADD",
          at.partition.mailbox(letter.mailbox),
          "*",
          "type",
          type,
          "body",
          body,
          "ts",
          Date.now()
        )
        yield* remove(letter)
        return "redriven"
      }),
      discard: remove
    })
  })
)
