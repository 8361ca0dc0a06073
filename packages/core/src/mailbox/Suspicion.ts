/**
 * Suspicion: tells an entry that kills its process from those that were in work beside it (A2). Pure: what is known of an entry
 * and of the fleet goes in, what the entry may do now comes out.
 *
 *   1  Counted is a crash while the entry ran, never one while it waited for its turn (History).
 *   2  From the count, the crashes that any entry would have seen are subtracted: those that processes of the role had without
 *      it, divided by the number of processes. What is left is its level. Where processes die whatever they work on (a node
 *      that flaps, memory that is too small), levels stay low; an entry that kills alone keeps its count.
 *   3  Suspects run in groups that halve with each level: half the process's slots, a quarter, … Those beside them that are no
 *      suspects use the other slots. From level `aloneFrom` on an entry runs with nothing beside it.
 *   4  An entry is given up only when its process died twice while it ran alone, and its level is `guiltyFrom`.
 *   5  From the third crash on it pauses before it runs, so that it does not move from one dying process into the next.
 *   6  A run without a report in a process that lives (a defect while its result was settled) can only be the entry's own: after
 *      five of them it is given up. They are no crashes, and nothing above applies to them.
 *
 * A single entry that kills is found at its ninth crash. test/core/mailbox/Suspicion.test.ts plays the rules on a fleet.
 * Neighbours: begin.lua and reap.lua count, ActorSystem.judge applies it to a process, StageBehavior and Settlement follow it.
 */

/** Crashes of processes while the entry ran, how many of them while it ran alone, and runs without a report beside them. */
export interface History {
  readonly crashes: number
  readonly alone: number
  readonly unreported: number
}

/**
 * Redis stores all in one number: 1 for a crash, 1001 for one while alone, 1000000 for a run without a report; begin.lua adds them
 * too. In a job it is the fence's `deliveries`, for a message Redis's own delivery counter. A report of any kind sets it to 0.
 */
const aloneUnit = 1_000
const unreportedUnit = 1_000_000
export const read = (record: number): History => ({
  crashes: record % aloneUnit,
  alone: Math.floor(record / aloneUnit) % aloneUnit,
  unreported: Math.floor(record / unreportedUnit)
})
export const crashed = (record: number, alone: boolean): number => record + 1 + (alone ? aloneUnit : 0)

/** What a process knows of those of its own role, by its last beat. */
export interface Fleet {
  /** Processes that died within the last ten minutes. */
  readonly crashes: number
  /** Processes that are alive, this one included. */
  readonly processes: number
}

export const aloneFrom = 7
export const guiltyFrom = aloneFrom + 2
const aloneDeaths = 2
const mostUnreported = 5

/** Crashes of its own, less those that any entry would have seen; from 0. */
export const level = ({ crashes }: History, fleet: Fleet): number =>
  Math.max(0, crashes - Math.max(0, fleet.crashes - crashes) / Math.max(1, fleet.processes))

/** How many suspects may run together in a process of so many slots, if one of them has this level. */
export const groupSize = (slots: number, atLevel: number): number =>
  atLevel >= aloneFrom ? 1 : Math.max(1, Math.floor(slots / 2 ** Math.round(atLevel)))

/** Milliseconds that it waits after its last crash, before jitter. */
export const pauseMillis = ({ crashes }: History): number =>
  crashes < 3 ? 0 : Math.min(mostPauseMillis, 2_000 * 2 ** (crashes - 3))
const mostPauseMillis = 30_000
/** How long an entry that finds no place in a group is away, before jitter. */
export const againMillis = 1_500

/**
 * run: beside `group - 1` other suspects at most · alone: with nothing beside it · pause: first wait · guilty: give it up.
 * Where the group is full, it waits for `againMillis`.
 */
export type Verdict =
  | { readonly _tag: "run"; readonly group: number }
  | { readonly _tag: "alone" }
  | { readonly _tag: "pause"; readonly millis: number }
  | { readonly _tag: "guilty" }

/** `fresh`: its last crash has just been counted, so that its pause begins now. `slots`: of the process. */
export const judge = (history: History, fresh: boolean, fleet: Fleet, slots: number): Verdict => {
  const now = level(history, fleet)
  if (history.unreported >= mostUnreported) return { _tag: "guilty" }
  if (history.crashes === 0) return { _tag: "run", group: Infinity }
  if (history.alone >= aloneDeaths && now >= guiltyFrom) return { _tag: "guilty" }
  const pause = fresh ? pauseMillis(history) : 0
  if (pause > 0) return { _tag: "pause", millis: pause }
  return now >= aloneFrom ? { _tag: "alone" } : { _tag: "run", group: groupSize(slots, now) }
}

/** The cause of the dead letter of an entry that is given up. */
export const guiltyTag = "DeliveriesExhausted"
export const accusation = (what: string, { alone, crashes, unreported }: History): string =>
  crashes === 0
    ? `this ${what} was begun ${unreported} times without a report`
    : `the process died ${crashes} times while it worked on this ${what}, ${alone} of them with nothing else in work`
