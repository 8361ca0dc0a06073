/**
 * Follow: follows one job's events from the server, in order and without gaps, until it ends. The browser's EventSource
 * reconnects by itself; this module handles what EventSource gives up on: a refused or finished stream, the server's time
 * limit, a silent connection. In doubt it asks for the result.
 */
import { ApiError, Unreachable, fetchResult } from "./api.js"

/**
 * @typedef {object} JobEvent
 * @property {string} stage
 * @property {string} status started, completed, retrying, failed or cancelled; delta or restarted of a running stage's text;
 *   others in time to come, to be passed over
 * @property {number} seq 0: no part of the history (text)
 * @property {number} ts seconds since the epoch
 * @property {number} progress 0 to 100
 * @property {unknown} result not yet looked at: what `completed` found, `{code, attempt, next_at}` of `retrying`,
 *   `{attempt, offset, text}` of text
 */
/**
 * @typedef {object} FollowHandlers
 * @property {(event: JobEvent) => void} event every event once, the terminal one excepted
 * @property {(body: import("./api.js").OpenBody) => void} snapshot where an open job stands
 * @property {(body: import("./api.js").ResultBody) => void} ended last call
 * @property {() => void} gone last call: unknown, expired or not ours
 * @property {(error: ApiError) => void} refused last call: the server refuses to answer (not signed in, for example)
 * @property {(connected: boolean) => void} connection
 */

const STAGE_EVENTS = ["queued", "vision", "rule", "answer", "reward"]
const TERMINAL_EVENTS = ["done", "failed", "cancelled"]
/** The server sends something at least every 15 s; three missed intervals mean that the connection is dead. */
const SILENCE_MILLIS = 45_000
/** How long the browser may try to reconnect before this module asks for the result. */
const RECONNECT_MILLIS = 6000

/** @param {string} url @param {number} seq */
const resumed = (url, seq) => (seq === 0 ? url : `${url}${url.includes("?") ? "&" : "?"}last_event_id=${seq}`)

/** A number that is none counts as 0. @param {unknown} value */
const numberOf = (value) => (Number.isFinite(Number(value)) ? Number(value) : 0)

/** @param {string} text @returns {Record<string, unknown> | null} */
const parsed = (text) => {
  try {
    const value = JSON.parse(text)
    return typeof value === "object" && value !== null ? value : null
  } catch {
    return null
  }
}

/**
 * Starts following; the returned function stops it, after which no handler is called.
 * @param {{ readonly streamUrl: string, readonly resultUrl: string }} job
 * @param {FollowHandlers} on
 * @returns {() => void}
 */
export const follow = (job, on) => {
  /** @type {EventSource | null} */
  let source = null
  let lastSeq = 0
  let heardAt = Date.now()
  /** @type {number | null} */
  let lostAt = null
  let failures = 0
  let stopped = false
  let asking = false
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let pause

  const close = () => {
    source?.close()
    source = null
  }

  const stop = () => {
    stopped = true
    close()
    clearTimeout(pause)
    clearInterval(watch)
  }

  /** @param {() => void} last */
  const finish = (last) => {
    if (stopped) return
    stop()
    last()
  }

  /** Asks for the job's state and continues accordingly. */
  const ask = async () => {
    if (asking || stopped) return
    asking = true
    close()
    clearTimeout(pause)
    try {
      const reply = await fetchResult(job.resultUrl)
      if (stopped) return
      failures = 0
      if (reply.kind === "ended") return finish(() => on.ended(reply.body))
      if (reply.kind === "gone") return finish(on.gone)
      on.connection(true)
      on.snapshot(reply.body)
      pause = setTimeout(open, reply.retryAfterMillis)
    } catch (error) {
      if (stopped) return
      if (error instanceof ApiError && error.status < 500 && error.status !== 429)
        return finish(() => on.refused(error))
      if (!(error instanceof ApiError) && !(error instanceof Unreachable)) throw error
      on.connection(false)
      failures += 1
      pause = setTimeout(ask, Math.min(15_000, 1000 * 2 ** (failures - 1)))
    } finally {
      asking = false
    }
  }

  /** @param {Event} message */
  const receive = (message) => {
    if (stopped || !(message instanceof MessageEvent)) return
    heardAt = Date.now()
    const data = parsed(String(message.data))
    if (data === null) return
    const seq = numberOf(data["seq"])
    const ends = TERMINAL_EVENTS.includes(message.type)
    // a repeat after a reconnect; a terminal event counts whatever its seq is, because a store that lost events reuses seqs
    if (seq !== 0 && seq <= lastSeq && !ends) return
    lastSeq = Math.max(lastSeq, seq)
    if (ends) {
      const body = data["result"]
      // a terminal event without its body: the result is readable by now
      if (typeof body !== "object" || body === null || !("status" in body)) return void ask()
      return finish(() => on.ended(/** @type {import("./api.js").ResultBody} */ (body)))
    }
    on.event({
      stage: String(data["stage"] ?? message.type),
      status: String(data["status"] ?? "started"),
      seq,
      ts: numberOf(data["ts"]),
      progress: numberOf(data["progress"]),
      result: data["result"]
    })
  }

  /** `error` is both an event of the server (with data) and of the browser (without). @param {Event} event */
  const trouble = (event) => {
    if (stopped) return
    if (event instanceof MessageEvent) {
      const data = parsed(String(event.data))
      // the stream's time limit is reached: not an error, continue from the last seq
      if (data?.["error"] === "timeout" || data?.["type"] === "timeout") return open()
      return void ask()
    }
    if (source?.readyState === EventSource.CLOSED) return void ask()
    lostAt ??= Date.now()
    on.connection(false)
  }

  function open() {
    if (stopped) return
    close()
    heardAt = Date.now()
    lostAt = null
    source = new EventSource(resumed(job.streamUrl, lastSeq))
    source.addEventListener("open", () => {
      heardAt = Date.now()
      lostAt = null
      on.connection(true)
    })
    for (const name of [...STAGE_EVENTS, ...TERMINAL_EVENTS]) source.addEventListener(name, receive)
    source.addEventListener("keepalive", () => {
      heardAt = Date.now()
    })
    source.addEventListener("error", trouble)
  }

  const watch = setInterval(() => {
    if (source === null) return
    const lost = lostAt !== null && Date.now() - lostAt > RECONNECT_MILLIS
    if (lost || Date.now() - heardAt > SILENCE_MILLIS) void ask()
  }, 2000)

  open()
  return stop
}
