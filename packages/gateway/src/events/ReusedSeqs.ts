/**
 * ReusedSeqs: whether the end of a job has a number that another event of it had before. A failover may take the last events of a
 * job back, and those that follow have their seqs again; then a client whose Last-Event-ID is the end's number may have seen
 * another event under it, and never the end (J1). What was told before the failover is known to no server, but to every gateway
 * that follows the tail: EventRouter reports all events here, whoever views them.
 * Held in memory, bounded; a gateway that started after the failover knows of none. Plain data. Used by ScanHandlers.
 */
import type { JobEvent } from "@eco2/core/client"
import { JobEvent as Events } from "@eco2/core/client"

/** Jobs remembered while they are open; the oldest are forgotten first. Some 2 MB. */
const mostJobs = 20_000
/**
 * How often the end of one job is told again: each open page of its user may lack it, and one that ignores the end comes back each
 * time (EventSource).
 */
const mostAgain = 3

export class ReusedSeqs {
  /** By job: the highest seq of an event that was no end, and how often the end was told again. */
  readonly #jobs = new Map<string, { highest: number; again: number }>()

  /** Events of a job, in the order they came. */
  heard(jobId: string, events: ReadonlyArray<JobEvent.JobEvent>): void {
    for (const event of events) {
      const known = this.#jobs.get(jobId)
      if (!Events.isTerminal(event)) {
        if (known !== undefined) known.highest = Math.max(known.highest, event.seq)
        else this.#jobs.set(jobId, { highest: event.seq, again: 0 })
      } else if (known !== undefined && event.seq > known.highest) this.#jobs.delete(jobId)
    }
    if (this.#jobs.size <= mostJobs) return
    const [oldest] = this.#jobs.keys()
    if (oldest !== undefined) this.#jobs.delete(oldest)
  }

  /** Whether the end, whose seq this is, is told to a client that has seen an event of that number; counts it. */
  tellAgain(jobId: string, seq: number): boolean {
    const known = this.#jobs.get(jobId)
    if (known === undefined || known.highest < seq) return false
    if (++known.again >= mostAgain) this.#jobs.delete(jobId)
    return true
  }
}
