/** FaultProxy disturbs one process's connections and no others, in each of its ways. */
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { FaultProxy } from "@eco2/core/testing"
import { once } from "node:events"
import { connect, createServer } from "node:net"
import type { Server, Socket } from "node:net"

/** Echoes what it receives, and records it. */
let server: Server
let heard: Array<string>
let arrival: () => void = () => undefined
let proxy: FaultProxy.FaultProxy
beforeEach(async () => {
  heard = []
  server = createServer((socket) => {
    socket.on("error", () => undefined)
    socket.on("data", (piece) => {
      heard.push(String(piece))
      arrival()
      socket.write(piece)
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const bound = server.address()
  proxy = await FaultProxy.start(typeof bound === "object" && bound !== null ? bound.port : 0)
})
afterEach(async () => {
  await proxy.close()
  await new Promise((resolve) => server.close(resolve))
})

const dial = (): Socket => connect({ host: "127.0.0.1", port: Number(new URL(proxy.url).port) })
const open = async (): Promise<Socket> => {
  const socket = dial()
  socket.setEncoding("utf8")
  await once(socket, "connect")
  return socket
}
const answer = async (socket: Socket): Promise<string> => String((await once(socket, "data"))[0])
const errorOf = (socket: Socket): Promise<string> =>
  new Promise((resolve) => void socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "")))

describe("FaultProxy", () => {
  it("the proxy passes bytes on unchanged, in order", async () => {
    const socket = await open()
    socket.write("one")
    expect(await answer(socket)).toBe("one")
    expect(proxy.connections()).toBe(1)
    socket.destroy()
  })

  it("the proxy's cut resets open connections and lets new ones through", async () => {
    const socket = await open()
    socket.write("one")
    await answer(socket)
    const broken = errorOf(socket)
    proxy.cut()
    expect(await broken).toBe("ECONNRESET")
    const next = await open()
    next.write("two")
    expect(await answer(next)).toBe("two")
    next.destroy()
  })

  it("the proxy's refuse resets new connections too, until it is healed", async () => {
    proxy.refuse()
    expect(await errorOf(dial())).toBe("ECONNRESET")
    proxy.heal()
    const socket = await open()
    socket.write("one")
    expect(await answer(socket)).toBe("one")
    socket.destroy()
  })

  it("the proxy's seal resets new connections and leaves open ones alone, until it is healed", async () => {
    const socket = await open()
    proxy.seal()
    expect(await errorOf(dial())).toBe("ECONNRESET")
    socket.write("one")
    expect(await answer(socket)).toBe("one")
    proxy.heal()
    const next = await open()
    next.write("two")
    expect(await answer(next)).toBe("two")
    socket.destroy()
    next.destroy()
  })

  it("the proxy's slow delays every chunk in both directions", async () => {
    const socket = await open()
    socket.write("one")
    await answer(socket)
    proxy.slow(40)
    const since = performance.now()
    socket.write("two")
    expect(await answer(socket)).toBe("two")
    expect(performance.now() - since).toBeGreaterThan(75)
    socket.destroy()
  })

  it("the proxy's mute passes requests on, and loses their answers with the next cut", async () => {
    const socket = await open()
    socket.write("one")
    await answer(socket)
    const answers: Array<string> = []
    socket.on("data", (text) => answers.push(String(text)))
    proxy.mute()
    const arrived = new Promise<void>((resolve) => {
      arrival = resolve
    })
    socket.write("two")
    await arrived
    const broken = errorOf(socket)
    proxy.cut()
    await broken
    expect(heard).toEqual(["one", "two"])
    expect(answers).toEqual([])
  })

  it("the proxy's hold passes nothing until it is healed, and then everything in order", async () => {
    const socket = await open()
    socket.write("one")
    await answer(socket)
    proxy.hold()
    socket.write("two")
    const other = await open()
    other.write("three")
    await new Promise((resolve) => setImmediate(resolve))
    expect(heard).toEqual(["one"])
    proxy.heal()
    expect(await answer(socket)).toBe("two")
    expect(await answer(other)).toBe("three")
    socket.destroy()
    other.destroy()
  })
})
