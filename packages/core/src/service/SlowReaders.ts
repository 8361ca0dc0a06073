/**
 * SlowReaders: closes connections whose client takes its answer too slowly: while bytes wait for the client, it must take
 * `leastInTurn` of them in every turn. A client that reads a byte a second is never silent for long, so no time limit of Node's
 * ends it, and it holds its answer, a place of MAX_CONNECTIONS and, of a stream, a viewer's place. A connection for which nothing
 * waits, such as a quiet stream, is left alone. One timer watches all connections of a port. For HttpPort (H4).
 */
import type { Socket } from "node:net"

export interface Bounds {
  readonly turnMillis: number
  /** Bytes that a client must take in a turn, unless nothing waits for it. */
  readonly leastInTurn: number
}

interface Turn {
  /** When it is over, and what the client had taken when it began. */
  until: number
  before: number
}

const numberOf = (handle: object, name: "bytesWritten" | "writeQueueSize"): number | null => {
  const value: unknown = Reflect.get(handle, name)
  return typeof value === "number" ? value : null
}

/**
 * Bytes that the system has taken for the client, and whether more wait. Node's own counts include what waits in libuv; its
 * handle tells how much that is, as it does for the socket's time-out. Without it (Deno) only whole writes count as taken.
 */
const progressOf = (socket: Socket): { readonly taken: number; readonly waits: boolean } => {
  const handle: unknown = Reflect.get(socket, "_handle")
  if (typeof handle === "object" && handle !== null) {
    const [written, queued] = [numberOf(handle, "bytesWritten"), numberOf(handle, "writeQueueSize")]
    if (written !== null && queued !== null) {
      return { taken: written - queued, waits: queued > 0 || socket.writableLength > 0 }
    }
  }
  return { taken: socket.bytesWritten - socket.writableLength, waits: socket.writableLength > 0 }
}

export interface SlowReaders {
  readonly watch: (socket: Socket) => void
  /** Compares all connections with the clock; `now` in milliseconds, monotonic. */
  readonly sweep: (now: number) => void
}

export const make = ({ leastInTurn, turnMillis }: Bounds): SlowReaders => {
  /** Null: nothing waited when it was last looked at. */
  const connections = new Map<Socket, Turn | null>()
  return {
    watch: (socket) => {
      connections.set(socket, null)
      socket.once("close", () => connections.delete(socket))
    },
    sweep: (now) => {
      for (const [socket, turn] of connections) {
        const { taken, waits } = progressOf(socket)
        if (!waits) connections.set(socket, null)
        else if (turn === null) connections.set(socket, { until: now + turnMillis, before: taken })
        else if (now >= turn.until) {
          if (taken - turn.before < leastInTurn) socket.destroy()
          else Object.assign(turn, { until: now + turnMillis, before: taken })
        }
      }
    }
  }
}
