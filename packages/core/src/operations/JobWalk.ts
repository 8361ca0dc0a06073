/**
 * JobWalk: merges sorted lists of jobs, one or two a partition, into one order, page by page, for JobList. Each list is read only
 * as far as the walk goes. A position in the order is a cursor, from which a later walk goes on; it holds while jobs come and go.
 * Order: by time (of the list), then by list, then as the list has it.
 */
import * as Effect from "effect/Effect"
import type { JobId, JobState } from "../job/Job.ts"
import type { RedisError } from "../redis/RedisError.ts"

/** What the list of ended jobs tells of one. */
export interface Ended {
  readonly run: number
  readonly state: JobState
  readonly stage: string
  readonly created: number
  readonly pipeline: string
  readonly cause: string
  readonly owner: string
}

export interface Row {
  /** Epoch milliseconds; what the list is sorted by. */
  readonly at: number
  /** Tells rows of one list and time apart. */
  readonly tie: string
  readonly id: JobId
  /** Null for an open job. */
  readonly ended: Ended | null
}

/** The next rows; `next` null: the list is over. */
export interface Page {
  readonly rows: ReadonlyArray<Row>
  readonly next: string | null
}

export interface List {
  /** The same in every walk. */
  readonly index: number
  /** Whether a row of the same time stands before the row `last`, or is it. */
  readonly isUpTo: (tie: string, last: string) => boolean
  /** Where to begin: at rows of `at`, or behind them; null: at the beginning. */
  readonly start: (from: { readonly at: number; readonly isBehind: boolean } | null) => string
  readonly read: (from: string, count: number) => Effect.Effect<Page, RedisError>
}

/** The last row that was given. */
export interface Place {
  readonly at: number
  readonly index: number
  readonly tie: string
}

export const cursorOf = ({ at, index, tie }: Place): string => `${at}.${index}.${tie}`
export const cursorPattern = /^\d{1,15}\.\d{1,6}\.[0-9a-f.-]{1,60}$/
export const placeOf = (cursor: string): Place | null => {
  if (!cursorPattern.test(cursor)) return null
  const [at = "", index = "", ...tie] = cursor.split(".")
  return { at: Number(at), index: Number(index), tie: tie.join(".") }
}

/** Rows that are read from a list at once: few at first, so that a page of a hundred is quick. */
const firstRows = 100
const moreRows = 1_000

interface Head {
  readonly list: List
  rows: ReadonlyArray<Row>
  taken: number
  next: string | null
  /** The last row that the walk before gave, if it was of this list. */
  readonly behind: Place | null
  count: number
}

/** `sign`: -1 the latest first, 1 the earliest first. */
export const make = (lists: ReadonlyArray<List>, sign: 1 | -1, from: Place | null) => {
  const heads = lists.map((list): Head => ({
    list,
    rows: [],
    taken: 0,
    next: list.start(from === null ? null : { at: from.at, isBehind: list.index < from.index }),
    behind: from !== null && list.index === from.index ? from : null,
    count: firstRows
  }))
  const isEmpty = (head: Head) => head.taken === head.rows.length && head.next !== null

  const refill = Effect.fnUntraced(function* (head: Head) {
    while (isEmpty(head)) {
      const page = yield* head.list.read(head.next!, head.count)
      const { behind } = head
      const isGiven = ({ at, tie }: Row) => at === behind?.at && head.list.isUpTo(tie, behind.tie)
      head.rows = behind === null ? page.rows : page.rows.filter((row) => !isGiven(row))
      head.taken = 0
      head.next = page.next
      head.count = moreRows
    }
  })

  const first = (): Head | null => {
    let best: Head | null = null
    for (const head of heads) {
      if (head.taken === head.rows.length) continue
      const [one, other] = [head.rows[head.taken]!, best?.rows[best.taken]]
      // lists stand by index
      if (best === null || other === undefined || sign * (one.at - other.at) < 0) best = head
    }
    return best
  }

  /** The next rows, at most `most`; none: the walk is over. */
  return Effect.fnUntraced(function* (most: number) {
    yield* Effect.forEach(heads.filter(isEmpty), refill, { concurrency: "unbounded", discard: true })
    const taken: Array<Row & Place> = []
    while (taken.length < most) {
      const head = first()
      if (head === null) break
      const row = head.rows[head.taken++]!
      taken.push({ ...row, index: head.list.index })
      if (isEmpty(head)) break
    }
    return taken
  })
}
