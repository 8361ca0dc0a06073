/** NameServer: a DNS server (UDP) on loopback; the test sets its answers. */
import { Effect } from "effect"
import type { Scope } from "effect"
import { createSocket } from "node:dgram"
import { isIPv4 } from "node:net"

export type Kind = "A" | "AAAA"
/** Addresses (none: the name has none of this kind), no such name, the server failed, or no answer at all. */
export type Answer = ReadonlyArray<string> | "unknown" | "failed" | "silent"

export interface NameServer {
  /** `127.0.0.1:port`. */
  readonly at: string
  /** Questions in order; those sent again, too. */
  readonly asked: ReadonlyArray<{ readonly name: string; readonly kind: Kind }>
  /** The different names asked for. */
  readonly names: () => ReadonlySet<string>
}

const kinds: Readonly<Record<number, Kind>> = { 1: "A", 28: "AAAA" }
const codes = { failed: 2, unknown: 3 }

/** The question of a message: https://www.rfc-editor.org/rfc/rfc1035#section-4.1.2 */
const questionOf = (message: Buffer) => {
  const labels: Array<string> = []
  let at = 12
  for (let length = message[at]!; length > 0; length = message[at]!) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length))
    at += length + 1
  }
  return { name: labels.join(".").toLowerCase(), kind: kinds[message.readUInt16BE(at + 1)], end: at + 5 }
}

const bytesOf = (address: string): Buffer => {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number))
  const [left = "", right] = address.split("::")
  const groups = (text: string | undefined) => (text ? text.split(":") : [])
  const missing = 8 - groups(left).length - groups(right).length
  const all = [...groups(left), ...Array.from({ length: missing }, () => "0"), ...groups(right)]
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex")
}

/** A record for the question's name, valid for a minute. */
const recordOf = (address: string, kind: Kind) => {
  const bytes = bytesOf(address)
  const head = Buffer.from([0xc0, 12, 0, kind === "A" ? 1 : 28, 0, 1, 0, 0, 0, 60, 0, bytes.length])
  return Buffer.concat([head, bytes])
}

const replyTo = (message: Buffer, end: number, records: ReadonlyArray<Buffer>, code: number) => {
  const head = Buffer.alloc(12)
  message.copy(head, 0, 0, 2)
  head.writeUInt16BE(0x8180 | code, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(records.length, 6)
  return Buffer.concat([head, message.subarray(12, end), ...records])
}

export const start = (answer: (name: string, kind: Kind) => Answer): Effect.Effect<NameServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const asked: Array<{ readonly name: string; readonly kind: Kind }> = []
    const socket = createSocket("udp4")
    socket.on("message", (message, from) => {
      const { end, kind, name } = questionOf(message)
      if (kind === undefined) return
      asked.push({ name, kind })
      const given = answer(name, kind)
      if (given === "silent") return
      const records = typeof given === "string" ? [] : given.map((address) => recordOf(address, kind))
      socket.send(replyTo(message, end, records, typeof given === "string" ? codes[given] : 0), from.port, from.address)
    })
    yield* Effect.callback<void>((resume) => {
      socket.bind(0, "127.0.0.1", () => resume(Effect.void))
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => socket.close()))
    return {
      at: `127.0.0.1:${socket.address().port}`,
      asked,
      names: () => new Set(asked.map(({ name }) => name))
    }
  })

/** Answers nothing. */
export const silent = start(() => "silent")
