/**
 * Signals: what waits for one viewer. EventRouter adds to it; Viewer is called at each arrival and takes all that waits. It is
 * bounded: a viewer that leaves too much unread is ended, and its browser resumes by Last-Event-ID. Plain data, changed
 * synchronously only.
 */
import type { JobEvent } from "@eco2/core/client"

export type Signal =
  | { readonly _tag: "Events"; readonly events: ReadonlyArray<JobEvent.JobEvent> }
  /** The running stage has written more text (Subscription.partial). At most one of these waits. */
  | { readonly _tag: "Text" }
  /** Something may have been missed: compare with the history. */
  | { readonly _tag: "Recheck" }
  /** Redis has had no such job for some seconds: unless the history says otherwise, the job is lost. */
  | { readonly _tag: "Lost" }
  | { readonly _tag: "Keepalive" }
  | { readonly _tag: "Timeout" }

/** Signals that a viewer may leave unread; a job has at most 200 events. */
const capacity = 256

export class Signals {
  #waiting: Array<Signal> = []
  #isEnded = false
  #arrived: () => void = () => {}

  /** Adds a signal; ends them when there is no room. */
  add(signal: Signal): void {
    if (this.#isEnded) return
    if (this.#waiting.length < capacity) this.#waiting.push(signal)
    else this.#isEnded = true
    this.#arrived()
  }

  /** No more come; what waits can still be taken. */
  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#arrived()
  }

  /** All that waits, in the order it came. */
  take(): ReadonlyArray<Signal> {
    const all = this.#waiting
    if (all.length > 0) this.#waiting = []
    return all
  }

  /** Nothing waits, and no more come. */
  get isOver(): boolean {
    return this.#isEnded && this.#waiting.length === 0
  }

  /** `listener` is called at each arrival and at the end, in place of the one before. */
  onArrival(listener: () => void): void {
    this.#arrived = listener
  }
}
