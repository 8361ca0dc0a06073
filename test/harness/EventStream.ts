/**
 * EventStream: a viewer that behaves like a browser: it opens a stream, reads events, and resumes by the last id it saw. Tests
 * wait for what it has seen, never for time to pass. It has its own parser, so that the gateway's output is checked
 * independently: https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
import { once } from "node:events"
import { connect } from "node:http2"

/** One event as received; `id` is null for events that carry none (keepalive, error). */
export interface Event {
  readonly id: number | null
  readonly event: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface Options {
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as Last-Event-ID. */
  readonly after?: number
}

/** ended: by the server, in order · cut: the connection broke · closed: by us. */
export type End = "ended" | "cut" | "closed"

export interface Following {
  readonly events: ReadonlyArray<Event>
  /** When each of them arrived, by `performance.now()`; events of one chunk have the same time. */
  readonly arrivals: ReadonlyArray<number>
  /** Text of the stream so far. */
  readonly text: () => string
  /** The first event, past or future, that fits; rejects if the stream ends without it. */
  readonly waitFor: (fits: (event: Event) => boolean) => Promise<Event>
  readonly ended: Promise<End>
  readonly close: () => Promise<End>
}

export interface EventStream extends Following {
  readonly response: Response
}

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {}

/** One block of lines; undefined for one without data (a comment, `retry:`). */
const parseBlock = (block: string): Event | undefined => {
  let event = "message"
  let id: number | null = null
  const data: Array<string> = []
  for (const line of block.split("\n")) {
    const [, name, value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? []
    if (name === "event") event = value
    else if (name === "id") id = Number(value)
    else if (name === "data") data.push(value)
  }
  return data.length === 0 ? undefined : { id, event, data: record(JSON.parse(data.join("\n"))) }
}

const requestHeaders = (options: Options): Record<string, string> => ({
  accept: "text/event-stream",
  ...options.headers,
  ...(options.after === undefined ? {} : { "last-event-id": String(options.after) })
})

/** Reads a body to its end, or until `stopper` aborts. */
const follow = (body: AsyncIterable<Uint8Array>, stopper: AbortController): Following => {
  const events: Array<Event> = []
  const arrivals: Array<number> = []
  const watchers = new Set<() => void>()
  let text = ""
  let over = false
  const tell = () => {
    for (const watcher of [...watchers]) watcher()
  }
  const read = async (): Promise<End> => {
    const decoder = new TextDecoder()
    let rest = ""
    try {
      for await (const chunk of body) {
        const at = performance.now()
        const piece = decoder.decode(chunk, { stream: true })
        text += piece
        const blocks = (rest + piece).split("\n\n")
        rest = blocks.pop() ?? ""
        for (const block of blocks) {
          const event = parseBlock(block)
          if (event === undefined) continue
          events.push(event)
          arrivals.push(at)
        }
        tell()
      }
      return "ended"
    } catch {
      return stopper.signal.aborted ? "closed" : "cut"
    }
  }
  const ended = read().finally(() => {
    over = true
    tell()
  })
  return {
    events,
    arrivals,
    text: () => text,
    waitFor: (fits) =>
      new Promise((resolve, reject) => {
        let at = 0
        const look = () => {
          for (; at < events.length; at++) {
            const event = events[at]
            if (event === undefined || !fits(event)) continue
            watchers.delete(look)
            return resolve(event)
          }
          if (!over) return
          watchers.delete(look)
          reject(new Error(`the stream ended without the expected event; it was\n${text}`))
        }
        watchers.add(look)
        look()
      }),
    ended,
    close: () => {
      stopper.abort()
      return ended
    }
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** Opens one stream; `response.status` says whether it succeeded. */
export const open = async (url: string, options: Options = {}): Promise<EventStream> => {
  const stopper = new AbortController()
  const response = await fetch(url, { headers: requestHeaders(options), signal: stopper.signal })
  return { response, ...follow(response.body ?? nothing(), stopper) }
}

/** The same over HTTP/2 with prior knowledge, on a connection of its own. */
export const openHttp2 = async (
  url: string,
  options: Options = {}
): Promise<Following & { readonly status: number }> => {
  const { origin, pathname, search } = new URL(url)
  const stopper = new AbortController()
  const session = connect(origin)
  const request = session.request(
    { ":path": `${pathname}${search}`, ...requestHeaders(options) },
    { signal: stopper.signal }
  )
  const [headers]: ReadonlyArray<Readonly<Record<string, unknown>>> = await once(request, "response")
  const following = follow(request, stopper)
  void following.ended.then(() => session.destroy())
  return { status: Number(headers?.[":status"]), ...following }
}

export const isTerminal = ({ event }: Event): boolean => event === "done" || event === "failed" || event === "cancelled"

/** Ids of the events that have one, in order of arrival. */
export const seqs = (events: ReadonlyArray<Event>): ReadonlyArray<number> =>
  events.flatMap(({ id }) => (id === null ? [] : [id]))

/** `stage/status` of the events that have an id, in order of arrival. */
export const told = (events: ReadonlyArray<Event>): ReadonlyArray<string> =>
  events.flatMap(({ data, event, id }) => (id === null ? [] : [`${event}/${String(data.status)}`]))

/**
 * Watches until the terminal event, resuming by Last-Event-ID whenever a stream ends, as EventSource does, without its delay.
 * Returns all events of all streams in order of arrival. A function gives each stream's address anew.
 */
export const watch = async (url: string | (() => string), options: Options = {}): Promise<ReadonlyArray<Event>> => {
  const events: Array<Event> = []
  let after = options.after
  let trouble: unknown
  for (let streams = 0; streams < 50; streams++) {
    const stream = await open(typeof url === "string" ? url : url(), {
      ...options,
      ...(after === undefined ? {} : { after })
    }).catch((error: unknown) => {
      trouble = error
    })
    // the server is down at the moment
    if (stream === undefined) continue
    if (stream.response.status === 204) return events
    if (stream.response.status !== 200) throw new Error(`the stream was refused with ${stream.response.status}`)
    await stream.ended
    events.push(...stream.events)
    after = seqs(events).at(-1) ?? after
    if (events.some(isTerminal)) return events
  }
  throw new Error("fifty streams and no end", { cause: trouble })
}
