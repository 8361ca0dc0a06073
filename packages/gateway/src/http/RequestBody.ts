/**
 * RequestBody: receives request bodies, bounded each, by user, and together with all bodies of this process:
 *   each      in bytes (413), in time (408): two minutes in all, and 64 KiB in every ten seconds unless it is over
 *   by user   in bytes of USER_UPLOAD_MEMORY (429)
 *   together  in bytes of UPLOAD_MEMORY (503: the client retries; nobody waits inside)
 * A byte counts when it arrives, not when it is announced, and twice: the picture, and its copy on the way to Redis. The first
 * 64 KiB of a body count in a pool of their own, so that a scan by address is not refused because of photos. The room is
 * released when the scope closes. One timer watches all bodies. The rest of a refused body is read and dropped, because a client
 * whose connection is closed while it sends does not hear why.
 * Of each user's large bodies one chunk is handled in a turn of the event loop (UserTurns), so that a user who sends thirty
 * photos at once delays the others by one chunk's work and not by thirty.
 */
import { Refusal } from "@eco2/core/http"
import { Deferred, Effect, Metric, Queue, Stream } from "effect"
import type { Scope } from "effect"
import type { HttpServerError, HttpServerRequest } from "effect/http"
import {
  bodyTooLarge,
  imageTooLarge,
  mostBesideBytes,
  mostBodyBytes,
  mostImageBytes,
  SubmitBody
} from "./SubmitBody.ts"
import type * as Submit from "./SubmitBody.ts"
import * as UserTurns from "./UserTurns.ts"

/** Bodies refused because this process, or their user, holds the maximum of them. */
const uploadsRefused = Metric.counter("eco2_uploads_refused_total", {
  incremental: true,
  description: "request bodies refused at UPLOAD_MEMORY or USER_UPLOAD_MEMORY"
})

/** Bytes of each body that count as small. */
const smallBytes = 64 * 1024
/** Small bytes of all bodies, and of one user's. */
const mostSmall = 32 * 1024 * 1024
const mostSmallOfUser = 4 * 1024 * 1024
/** Copies of a photo that a process holds at once. */
export const copies = 2
/** Enough for the largest body on a line of 1 Mbit/s. */
const patienceMillis = 120_000
/** A body that brings fewer bytes in a turn has stalled. */
const turnMillis = 10_000
const leastInTurn = 64 * 1024
const sweepMillis = 1_000
/** Bytes of a refused body that are read at most. */
const mostDropped = 2 * mostBodyBytes

/** The refusals of a reader, for the API description; beside these 429 TOO_MANY_PHOTOS, 503 TOO_MANY_UPLOADS. */
export const refusals = [
  Refusal.declared(400, "INVALID_REQUEST"),
  Refusal.declared(408, "REQUEST_TIMEOUT"),
  Refusal.declared(413, "BODY_TOO_LARGE", "IMAGE_TOO_LARGE")
] as const
type Unread = (typeof refusals)[number]["Type"] | ReturnType<typeof full>
type Refused = Unread | Submit.Refused

const slow = () => Refusal.make(408, "REQUEST_TIMEOUT", "the body took too long to arrive")
const userFull = () =>
  Refusal.make(429, "TOO_MANY_PHOTOS", "too many of your photos are arriving; try again later", "5 seconds")
const full = () => Refusal.make(503, "TOO_MANY_UPLOADS", "too many pictures are arriving; try again later", "2 seconds")

export interface Limits {
  /** Bytes of all bodies, beyond their small bytes. */
  readonly most: number
  /** Bytes of one user's bodies. */
  readonly mostOfUser: number
}

type Request = HttpServerRequest.HttpServerRequest
/** Why stored bytes get no room beside the bodies. */
export type Hold = ReturnType<typeof full | typeof userFull>
export interface RequestBody {
  /** A body of at most 64 KiB as text. */
  readonly text: (request: Request) => Effect.Effect<string, Refused, Scope.Scope>
  /** The body of a submit; the user's share bounds it too. */
  readonly submit: (
    request: Request,
    user: string
  ) => Effect.Effect<Submit.Whole, Refused | ReturnType<typeof userFull>, Scope.Scope>
  /** A body that is a picture itself; the user's share bounds it too. */
  readonly picture: (
    request: Request,
    user: string
  ) => Effect.Effect<Uint8Array, Unread | ReturnType<typeof userFull>, Scope.Scope>
  /** Room for so many bytes of a user's that do not come from a body, until the scope closes. */
  readonly hold: (user: string, bytes: number) => Effect.Effect<void, Hold, Scope.Scope>
}

const nothing = { large: 0, small: 0 }

/** What one user's bodies take; of those without a user, nothing is counted. */
interface Share<Full> {
  /** Waits for the user's turn; null: nothing to wait for. */
  readonly turn: () => Effect.Effect<void> | null
  readonly lacks: (more: number, moreSmall: number) => Full | null
  readonly add: (more: number, moreSmall: number) => void
}
const noShare: Share<never> = { turn: () => null, lacks: () => null, add: () => undefined }

interface Arriving {
  /** Bytes that arrived, and those that count beyond the small ones. */
  arrived: number
  counted: number
  readonly until: number
  /** When its turn is over, and what had arrived when it began. */
  turnUntil: number
  before: number
  readonly slow: Deferred.Deferred<never, Unread>
}

/** One for each process, for all routes. */
export const make = Effect.fnUntraced(function* ({
  most,
  mostOfUser
}: Limits): Effect.fn.Return<RequestBody, never, Scope.Scope> {
  let held = 0
  let small = 0
  const heldBy = new Map<string, { large: number; small: number }>()
  const turns = UserTurns.make()
  const bodies = new Set<Arriving>()
  const toWatch = yield* Queue.sliding<void>(1)

  const sweep = Effect.clockWith((clock) =>
    Effect.sync(() => {
      const now = clock.currentTimeMillisUnsafe()
      for (const body of bodies) {
        const stalled = now >= body.turnUntil && body.arrived - body.before < leastInTurn
        if (stalled || now >= body.until) Deferred.doneUnsafe(body.slow, Effect.fail(slow()))
        else if (now >= body.turnUntil) {
          body.turnUntil = now + turnMillis
          body.before = body.arrived
        }
      }
    })
  )
  yield* Queue.take(toWatch).pipe(
    Effect.andThen(
      Effect.whileLoop({
        while: () => bodies.size > 0,
        body: () => Effect.andThen(Effect.sleep(sweepMillis), sweep),
        step: () => undefined
      })
    ),
    Effect.forever,
    Effect.forkScoped
  )

  const shareOf = (user: string): Share<ReturnType<typeof userFull>> => ({
    turn: () => turns.take(user),
    lacks: (more, moreSmall) => {
      const { large, small } = heldBy.get(user) ?? nothing
      return (more > 0 && large + more > mostOfUser) || (moreSmall > 0 && small + moreSmall > mostSmallOfUser)
        ? userFull()
        : null
    },
    add: (more, moreSmall) => {
      const before = heldBy.get(user) ?? nothing
      const now = { large: before.large + more, small: before.small + moreSmall }
      if (now.large > 0 || now.small > 0) heldBy.set(user, now)
      else heldBy.delete(user)
    }
  })
  /** Null when so many bytes more fit, or why they do not. */
  const lacks = <Full>(share: Share<Full>, more: number, moreSmall: number) =>
    share.lacks(more, moreSmall) ??
    ((more > 0 && held + more > most) || (moreSmall > 0 && small + moreSmall > mostSmall) ? full() : null)
  const noRoom = <R>(refusal: R) => Effect.andThen(Metric.update(uploadsRefused, 1), Effect.fail(refusal))

  const arrive = (share: Share<unknown>) =>
    Effect.acquireRelease(
      Effect.clockWith((clock) =>
        Effect.sync((): Arriving => {
          const now = clock.currentTimeMillisUnsafe()
          const body: Arriving = {
            arrived: 0,
            counted: 0,
            until: now + patienceMillis,
            turnUntil: now + turnMillis,
            before: 0,
            slow: Deferred.makeUnsafe()
          }
          bodies.add(body)
          Queue.offerUnsafe(toWatch, undefined)
          return body
        })
      ),
      (body) =>
        Effect.sync(() => {
          bodies.delete(body)
          held -= body.counted
          small -= Math.min(body.arrived, smallBytes)
          share.add(-body.counted, -Math.min(body.arrived, smallBytes))
        })
    )

  /** Gives each piece of the body to `take` as it arrives; ends when `take` refuses. `mostBytes`, `tooLarge`: its own bound. */
  const receive = Effect.fnUntraced(function* <Full extends Refusal.Refusal, Own extends Refusal.Refusal>(
    request: Request,
    share: Share<Full>,
    mostBytes: number,
    tooLarge: () => Own,
    into: { readonly take: (chunk: Uint8Array) => Own | null; readonly drop: () => void }
  ): Effect.fn.Return<void, Unread | Own | Full, Scope.Scope> {
    const announced = Number(request.headers["content-length"] ?? 0)
    if (announced > mostBytes) return yield* Effect.fail(tooLarge())
    const lacking = lacks(share, copies * (announced - smallBytes), 0)
    if (lacking !== null) return yield* noRoom(lacking)
    const body = yield* arrive(share)
    const count = (more: number, moreSmall: number) => {
      body.counted += more
      held += more
      small += moreSmall
      share.add(more, moreSmall)
    }
    let refused: Effect.Effect<never, Unread | Own | Full> | null = null
    const refuse = (refusal: Effect.Effect<never, Unread | Own | Full>) => {
      into.drop()
      count(-body.counted, 0)
      refused = refusal
      return Effect.void
    }
    const handle = (chunk: Uint8Array): Effect.Effect<void, Unread | Own | Full> => {
      const moreSmall = Math.min(body.arrived + chunk.length, smallBytes) - Math.min(body.arrived, smallBytes)
      body.arrived += chunk.length
      if (refused !== null) {
        count(0, moreSmall)
        return body.arrived > mostDropped ? refused : Effect.void
      }
      const more = copies * Math.max(0, body.arrived - smallBytes) - body.counted
      const lacking = lacks(share, more, moreSmall)
      count(lacking === null ? more : 0, moreSmall)
      if (lacking !== null) return refuse(noRoom(lacking))
      if (body.arrived > mostBytes) return refuse(Effect.fail(tooLarge()))
      const refusal = into.take(chunk)
      return refusal === null ? Effect.void : refuse(Effect.fail(refusal))
    }
    const read = Stream.runForEach(request.stream, (chunk) => {
      const turn = body.arrived + chunk.length > smallBytes ? share.turn() : null
      return turn === null
        ? handle(chunk)
        : Effect.andThen(
            turn,
            Effect.suspend(() => handle(chunk))
          )
    }).pipe(
      Effect.andThen(Effect.suspend(() => refused ?? Effect.void)),
      Effect.mapError((error: HttpServerError.HttpServerError | Unread | Own | Full) =>
        error._tag === "Refusal" ? error : Refusal.make(400, "INVALID_REQUEST", "the body could not be read")
      )
    )
    yield* Effect.raceFirst(read, Deferred.await(body.slow))
    // it is here: its user is slow no longer
    bodies.delete(body)
  })

  return {
    text: Effect.fnUntraced(function* (request) {
      const decoder = new TextDecoder()
      let text = ""
      yield* receive(request, noShare, mostBesideBytes, bodyTooLarge, {
        take: (chunk) => {
          text += decoder.decode(chunk, { stream: true })
          return null
        },
        drop: () => {
          text = ""
        }
      })
      return text + decoder.decode()
    }),
    submit: Effect.fnUntraced(function* (request, user) {
      let body = new SubmitBody(Number(request.headers["content-length"] ?? 0))
      yield* receive(request, shareOf(user), mostBodyBytes, (): Refused => imageTooLarge(), {
        take: (chunk) => body.push(chunk),
        drop: () => {
          body = new SubmitBody(0)
        }
      })
      const whole = body.end()
      return "text" in whole ? whole : yield* whole
    }),
    picture: Effect.fnUntraced(function* (request, user) {
      let chunks: Array<Uint8Array> = []
      yield* receive(request, shareOf(user), mostImageBytes, imageTooLarge, {
        take: (chunk) => {
          chunks.push(chunk)
          return null
        },
        drop: () => {
          chunks = []
        }
      })
      return Buffer.concat(chunks)
    }),
    hold: (user, bytes) => {
      const share = shareOf(user)
      const [more, moreSmall] = [copies * Math.max(0, bytes - smallBytes), Math.min(bytes, smallBytes)]
      const count = (sign: 1 | -1) => {
        held += sign * more
        small += sign * moreSmall
        share.add(sign * more, sign * moreSmall)
      }
      return Effect.asVoid(
        Effect.acquireRelease(
          Effect.suspend((): Effect.Effect<void, Hold> => {
            const lacking = lacks(share, more, moreSmall)
            return lacking === null ? Effect.sync(() => count(1)) : noRoom(lacking)
          }),
          () => Effect.sync(() => count(-1))
        )
      )
    }
  }
})
