/**
 * PasswordDoor: a loopback port in front of the embedded database. Every user of the machine reaches the port, and PGlite asks
 * nobody who they are; so here a client says a password first (PostgreSQL's cleartext authentication, which stays on loopback).
 * Then it is led to PGlite's own socket, a file in the private folder. For embeddedPostgres.
 */
import { timingSafeEqual } from "node:crypto"
import { connect, createServer } from "node:net"
import type { Server, Socket } from "node:net"

/** Codes in place of a protocol version. */
const askForTls = new Set([80_877_103, 80_877_104])
const cancel = 80_877_102
/** Bytes a client may send before it has said the password, and how long it may take. */
const mostBytes = 10_000
const patienceMillis = 10_000
/** For a client to read why it is refused. */
const closingMillis = 1_000
/** PGlite serves 20; the others have not said the password yet. */
const mostConnections = 60

const passwordWanted = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3])
const refusal = (() => {
  const fields = Buffer.from("SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0", "latin1")
  const head = Buffer.alloc(5)
  head.write("E", "latin1")
  head.writeInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
})()

const isSame = (given: Buffer, wanted: Buffer) => given.length === wanted.length && timingSafeEqual(given, wanted)

/** Resolves with the client's first message, once it has said the password; what comes after it is still in the socket. */
const admitted = (socket: Socket, password: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    let held = Buffer.alloc(0)
    let first: Buffer | undefined
    const end = (error: Error, last?: Buffer) => {
      clearTimeout(timer)
      socket.off("data", hear)
      if (last === undefined) socket.destroy()
      else socket.end(last).setTimeout(closingMillis, () => socket.destroy())
      reject(error)
    }
    const timer = setTimeout(() => end(new Error("no password in time")), patienceMillis)
    socket.once("error", end).once("close", () => end(new Error("closed")))
    /** One message of the wire: its bytes, or undefined if not all have come. */
    const take = (typed: boolean): Buffer | undefined => {
      const at = typed ? 1 : 0
      if (held.length < at + 4) return undefined
      const length = at + held.readInt32BE(at)
      if (length < at + 4 || length > mostBytes) {
        end(new Error("not PostgreSQL's protocol"))
        return undefined
      }
      if (held.length < length) return undefined
      const message = held.subarray(0, length)
      held = held.subarray(length)
      return message
    }
    const hear = (chunk: Buffer) => {
      held = Buffer.concat([held, chunk])
      for (;;) {
        const message = take(first !== undefined)
        if (message === undefined) return held.length > mostBytes ? end(new Error("too much")) : undefined
        if (first === undefined) {
          const code = message.length < 8 ? cancel : message.readInt32BE(4)
          if (code === cancel) return end(new Error("nothing to cancel"))
          if (askForTls.has(code)) socket.write("N")
          else {
            first = message
            socket.write(passwordWanted)
          }
          continue
        }
        if (message[0] !== 0x70 || !isSame(message.subarray(5, -1), password)) {
          return end(new Error("wrong password"), refusal)
        }
        clearTimeout(timer)
        socket.off("data", hear).pause()
        if (held.length > 0) socket.unshift(held)
        return resolve(first)
      }
    }
    socket.on("data", hear)
  })

/** Listens on loopback; `port` 0: any. `inside`: the path of PGlite's socket. */
export const open = async (options: {
  readonly password: string
  readonly port: number
  readonly inside: string
}): Promise<{ readonly port: number; readonly close: () => void }> => {
  const password = Buffer.from(options.password)
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    return socket.on("error", () => socket.destroy()).once("close", () => sockets.delete(socket))
  }
  const server: Server = createServer((socket) => {
    keep(socket)
    admitted(socket, password).then(
      (first) => {
        const database = keep(connect({ path: options.inside }))
        database.once("close", () => socket.destroy())
        socket.once("close", () => database.destroy())
        database.write(first)
        socket.pipe(database)
        database.pipe(socket)
      },
      () => undefined // it was closed and told why
    )
  })
  server.maxConnections = mostConnections
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(options.port, "127.0.0.1", resolve)
  })
  const bound = server.address()
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : options.port,
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    }
  }
}
