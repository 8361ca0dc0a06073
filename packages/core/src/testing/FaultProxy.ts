/**
 * FaultProxy: a TCP proxy on loopback between one process and Redis. A test can break only this process's connections: cut
 * them, refuse new ones, delay the bytes, or stop them in either direction.
 * The process uses `url` instead of the server's. Nothing is decoded: bytes leave as they came, in order.
 */
import { connect, createServer } from "node:net"
import type { Socket } from "node:net"

export interface FaultProxy {
  /** `redis://127.0.0.1:<port>` */
  readonly url: string
  /** Connections open now. */
  readonly connections: () => number
  /** Resets all connections at once; new ones are accepted. */
  cut(): void
  /** Resets all connections and new ones, until `heal`. */
  refuse(): void
  /** Resets new connections, until `heal`; open ones go on. */
  seal(): void
  /** Delays every chunk by this many milliseconds in each direction, until `heal`. */
  slow(millis: number): void
  /** Forwards nothing but keeps connections open, until `heal`: a silent network. */
  hold(): void
  /** Forwards requests and holds the answers, until `heal` (which sends them) or `cut` (which drops them). */
  mute(): void
  /** Ends all faults; held bytes are sent, in order. */
  heal(): void
  close(): Promise<void>
}

type Direction = "request" | "answer"

/** One direction of one connection: chunks leave in order, each not before its due time, and only while the gate is open. */
class Lane {
  readonly #to: Socket
  readonly #open: () => boolean
  #pieces: Array<{ readonly piece: Buffer; readonly dueAt: number }> = []
  #timer: NodeJS.Timeout | undefined
  constructor(to: Socket, open: () => boolean) {
    this.#to = to
    this.#open = open
  }
  put(piece: Buffer, delayMillis: number) {
    this.#pieces.push({ piece, dueAt: performance.now() + delayMillis })
    this.flush()
  }
  flush() {
    clearTimeout(this.#timer)
    this.#timer = undefined
    while (this.#open()) {
      const first = this.#pieces[0]
      if (first === undefined) return
      const wait = first.dueAt - performance.now()
      if (wait > 0) {
        this.#timer = setTimeout(() => this.flush(), wait)
        return
      }
      this.#pieces.shift()
      if (!this.#to.destroyed) this.#to.write(first.piece)
    }
  }
  end() {
    clearTimeout(this.#timer)
    this.#pieces = []
  }
}

/** Listens on a free port. `port`: the server's port on loopback; the server may stop and restart. */
export const start = async (port: number): Promise<FaultProxy> => {
  const links = new Set<{ readonly flush: () => void; readonly reset: () => void }>()
  let delayMillis = 0
  let refusing = false
  let sealed = false
  let shut: ReadonlySet<Direction> = new Set()

  const server = createServer({ noDelay: true }, (inner) => {
    inner.on("error", () => undefined)
    if (refusing || sealed) return void inner.resetAndDestroy()
    const outer = connect({ port, host: "127.0.0.1", noDelay: true })
    outer.on("error", () => undefined)
    const requests = new Lane(outer, () => !shut.has("request"))
    const answers = new Lane(inner, () => !shut.has("answer"))
    const link = {
      flush: () => {
        requests.flush()
        answers.flush()
      },
      reset: () => {
        links.delete(link)
        requests.end()
        answers.end()
        inner.resetAndDestroy()
        outer.resetAndDestroy()
      }
    }
    links.add(link)
    inner.on("data", (piece: Buffer) => requests.put(piece, delayMillis))
    outer.on("data", (piece: Buffer) => answers.put(piece, delayMillis))
    // an end becomes a reset: in Redis's protocol neither side half-closes
    inner.on("close", link.reset)
    outer.on("close", link.reset)
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject)
    server.listen(0, "127.0.0.1", resolve)
  })
  const bound = server.address()
  const own = typeof bound === "object" && bound !== null ? bound.port : 0
  const cut = () => {
    for (const link of [...links]) link.reset()
  }
  return {
    url: `redis://127.0.0.1:${own}`,
    connections: () => links.size,
    cut,
    refuse: () => {
      refusing = true
      cut()
    },
    seal: () => {
      sealed = true
    },
    slow: (millis) => {
      delayMillis = millis
    },
    hold: () => {
      shut = new Set<Direction>(["request", "answer"])
    },
    mute: () => {
      shut = new Set<Direction>(["answer"])
    },
    heal: () => {
      delayMillis = 0
      refusing = false
      sealed = false
      shut = new Set()
      for (const link of links) link.flush()
    },
    close: () => {
      cut()
      return new Promise<void>((resolve) => void server.close(() => resolve()))
    }
  }
}
