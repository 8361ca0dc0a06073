/**
 * DeadLetters: the operator's view of dead letters: what was given up, and why. A job is kept as long as its letter (J2: a
 * redriven job resumes at the failed stage). Scripts that write letters: bury, begin, promote (at the deadline) and settle. The
 * letter is removed when its job succeeds, is cancelled or is redriven. Timers start the automatic rounds of parked jobs.
 */
import { Context, Effect, Layer, Schema } from "effect"
import * as Fence from "../job/Fence.ts"
import { JobId } from "../job/Job.ts"
import { JobStore } from "../job/JobStore.ts"
import * as CauseName from "./CauseName.ts"
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

/** Which letters; what is left out is not asked for. */
export interface Choice {
  readonly cause?: string
  /** The user of the letter's job; a message without a job has none. */
  readonly owner?: string
  /** Written at this time or later, epoch milliseconds. */
  readonly since?: number
  /** Written at this time or earlier. */
  readonly until?: number
}

/** There is no letter with this id. Nothing happened. */
export class LetterUnknown extends Schema.TaggedError<LetterUnknown>()("LetterUnknown", { id: Schema.String }) {}

export class DeadLetters extends Context.Service<
  DeadLetters,
  {
    /** The newest chosen letters, up to `limit`, however many newer ones are not chosen. */
    readonly list: (
      mailbox: string,
      options: Choice & { readonly limit: number }
    ) => Effect.Effect<ReadonlyArray<Letter>, RedisError>
    /**
     * A step of a walk over all letters of a mailbox, partition by partition, the newest of each first: up to `limit` chosen ones,
     * and where the next step begins; null: the walk is over. `cursor` null: from the beginning. Letters written meanwhile are not
     * met, so a walk ends whatever its caller does with them.
     */
    readonly page: (
      mailbox: string,
      options: Choice & { readonly limit: number; readonly cursor: string | null }
    ) => Effect.Effect<{ readonly letters: ReadonlyArray<Letter>; readonly next: string | null }, RedisError>
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
/** Newer than any entry: the beginning of a partition. */
const newestEntry = "18446744073709551615-18446744073709551615"
/** Letters looked at in one step of a walk. */
const mostLooked = 5_000
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
    const decodeFence = decodeReply("HGET", Schema.NullOr(Schema.String))

    const place = (mailbox: string, id: string) => {
      const [, index, entry] = /^(\d+)\/(\d+-\d+)$/.exec(id) ?? []
      const partition = keyspace.partitions[Number(index)]
      return partition === undefined || entry === undefined ? null : { partition, key: partition.dead(mailbox), entry }
    }
    const remove = (letter: Letter) => {
      const at = place(letter.mailbox, letter.id)
      return at === null ? Effect.void : Effect.asVoid(redis.send("XDEL", at.key, at.entry))
    }

    const ownerOf = (id: JobId) =>
      redis.send("HGET", keyspace.of(id).job(id), "now").pipe(
        Effect.flatMap(decodeFence),
        Effect.map((text) => Fence.split(text ?? "")?.owner)
      )
    const chosen = (letters: ReadonlyArray<Letter>, { cause, owner, since = -Infinity, until = Infinity }: Choice) => {
      const fitting = letters.filter(
        (letter) =>
          (cause === undefined || CauseName.isSame(letter.cause, cause)) && letter.last >= since && letter.last <= until
      )
      return owner === undefined
        ? Effect.succeed(fitting)
        : Effect.filter(
            fitting,
            ({ jobId }) =>
              jobId === null ? Effect.succeed(false) : Effect.map(ownerOf(jobId), (one) => one === owner),
            { concurrency: 16 }
          )
    }

    /** The chosen letters before an entry, newest first, up to `limit`; page by page, because the filter applies before the cut. */
    const before = Effect.fnUntraced(function* (
      partition: Partition,
      mailbox: string,
      from: string,
      { limit, most = Infinity, ...choice }: Choice & { readonly limit: number; readonly most?: number }
    ) {
      const found: Array<Letter> = []
      const isChoice = [choice.cause, choice.owner, choice.since, choice.until].some((one) => one !== undefined)
      let at = from
      for (let looked = 0; looked < most; looked += pageOfLetters) {
        const count = isChoice ? pageOfLetters : Math.min(limit, pageOfLetters)
        const entries = yield* redis
          .send("XREVRANGE", partition.dead(mailbox), at, "-", "COUNT", count)
          .pipe(Effect.flatMap(decode))
        const page = entries.map(([entry, flat]) => toLetter(mailbox, partition.index, entry, flat))
        for (const letter of yield* chosen(page, choice)) {
          if (found.length === limit) return { found, last: found.at(-1)?.id ?? null }
          found.push(letter)
        }
        const last = page.at(-1)
        if (last === undefined || entries.length < count) return { found, last: null }
        at = `(${entries.at(-1)![0]}`
        if (found.length === limit || looked + pageOfLetters >= most) return { found, last: last.id }
      }
      return { found, last: null }
    })

    return DeadLetters.of({
      list: Effect.fnUntraced(function* (mailbox, options) {
        const parts = yield* Effect.forEach(
          keyspace.partitions,
          (partition) => before(partition, mailbox, "+", options),
          { concurrency: "unbounded" }
        )
        return parts
          .flatMap(({ found }) => found)
          .toSorted((a, b) => b.last - a.last)
          .slice(0, options.limit)
      }),
      page: Effect.fnUntraced(function* (mailbox, { cursor, ...options }) {
        const at = cursor === null ? null : place(mailbox, cursor)
        const first = at?.partition.index ?? 0
        const letters: Array<Letter> = []
        for (const partition of keyspace.partitions.slice(first)) {
          const limit = options.limit - letters.length
          const from = at !== null && partition.index === first ? `(${at.entry}` : "+"
          const { found, last } = yield* before(partition, mailbox, from, { ...options, limit, most: mostLooked })
          letters.push(...found)
          if (last !== null) return { letters, next: last }
          if (letters.length === options.limit && partition.index + 1 < keyspace.partitions.length)
            return { letters, next: `${partition.index + 1}/${newestEntry}` }
        }
        return { letters, next: null }
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
