/**
 * Viewers: clients that watch some of the jobs through the gateway while faults occur. fast: reads at once · slow: pauses between
 * reads · leaving: disconnects after every second event and returns with its last id. All of them reconnect whenever a stream
 * ends, as browsers do, and stop at the terminal event.
 * Stream format: https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
import { setTimeout as delay } from "node:timers/promises"

export const manners = ["fast", "slow", "leaving"] as const
export type Manner = (typeof manners)[number]

export interface Heard {
  readonly seq: number
  readonly stage: string
}

export interface Seen {
  readonly number: number
  readonly id: string
  readonly manner: Manner
  /** In order of arrival, over all streams. */
  readonly events: ReadonlyArray<Heard>
  readonly streams: number
  /** Why it gave up; null if it saw the end. */
  readonly problem: string | null
  /** When the gateway said that there is no such job, epoch milliseconds; null if it did not. */
  readonly missedAt: number | null
}

const slowMillis = 250
const comeBackMillis = 100
const eventsAStay = 2

/** One block of lines; undefined for one without an id (a comment, `retry:`, a keepalive). */
const parse = (block: string): Heard | undefined => {
  const id = /^id: ?(\d+)$/m.exec(block)?.[1]
  return id === undefined ? undefined : { seq: Number(id), stage: /^event: ?(.*)$/m.exec(block)?.[1] ?? "" }
}
const isTerminal = ({ stage }: Heard) => stage === "done" || stage === "failed" || stage === "cancelled"

/** `gateway`: its current address; may change while watching. `over`: aborted when the run stops waiting. */
export const watch = async (options: {
  readonly gateway: () => string
  readonly number: number
  readonly id: string
  readonly owner: string
  readonly manner: Manner
  readonly over: AbortSignal
}): Promise<Seen> => {
  const { id, manner, number, over } = options
  const events: Array<Heard> = []
  let streams = 0
  const ended = () => events.some(isTerminal)

  /** Reads one stream to its end, or until this viewer leaves; returns the status. */
  const stay = async (): Promise<number> => {
    const stopper = new AbortController()
    const after = events.at(-1)?.seq
    const response = await fetch(`${options.gateway()}/api/v1/scan/${id}/events`, {
      headers: {
        accept: "text/event-stream",
        "x-user-id": options.owner,
        ...(after === undefined ? {} : { "last-event-id": String(after) })
      },
      signal: AbortSignal.any([stopper.signal, over])
    })
    const decoder = new TextDecoder()
    let rest = ""
    let taken = 0
    for await (const chunk of response.body ?? []) {
      const blocks = (rest + decoder.decode(chunk, { stream: true })).split("\n\n")
      rest = blocks.pop() ?? ""
      for (const event of blocks.flatMap((block) => parse(block) ?? [])) {
        if (manner === "leaving" && taken++ >= eventsAStay) {
          stopper.abort()
          return response.status
        }
        events.push(event)
      }
      if (manner === "slow") await delay(slowMillis)
    }
    return response.status
  }

  while (!ended()) {
    if (over.aborted) return { number, id, manner, events, streams, problem: "never saw the end", missedAt: null }
    streams++
    // 0: refused or cut, the gateway is down
    const status = await stay().catch(() => 0)
    // without Redis it answers 503: retry
    if (![0, 200, 503].includes(status)) {
      return {
        number,
        id,
        manner,
        events,
        streams,
        problem: `the gateway answered ${status}`,
        missedAt: status === 404 ? Date.now() : null
      }
    }
    if (!ended()) await delay(comeBackMillis)
  }
  return { number, id, manner, events, streams, problem: null, missedAt: null }
}
