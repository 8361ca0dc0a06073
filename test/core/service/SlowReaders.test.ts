/** Which connections a sweep closes, on real sockets; the test says what time it is. */
import { expect, it, onTestFinished } from "vitest"
import { once } from "node:events"
import { connect, createServer } from "node:net"
import type { Socket } from "node:net"
import * as SlowReaders from "../../../packages/core/src/service/SlowReaders.ts"

const MiB = 1024 * 1024

/** Both ends of a connection; its client reads only what the test asks for. */
const pair = async () => {
  const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  const client = connect(address !== null && typeof address === "object" ? address.port : 0, "127.0.0.1")
  const [served]: Array<Socket> = await once(server, "connection")
  if (served === undefined) throw new Error("no connection")
  onTestFinished(() => {
    client.destroy()
    served.destroy()
    server.close()
  })
  const read = async (bytes: number) => {
    for (let left = bytes; left > 0;) {
      const chunk: Buffer | null = client.read()
      if (chunk === null) await once(client, "readable")
      else left -= chunk.length
    }
  }
  return { served, read }
}

it("H4 a client that takes enough in each turn keeps its connection, and loses it after the first turn without", async () => {
  const { read, served } = await pair()
  const readers = SlowReaders.make({ turnMillis: 1_000, leastInTurn: MiB })
  readers.watch(served)
  served.write(Buffer.alloc(200 * MiB))
  readers.sweep(0)
  for (const now of [1_000, 2_000, 3_000]) {
    // more than the system's buffers have room for
    await read(32 * MiB)
    readers.sweep(now - 1)
    readers.sweep(now)
    expect(served.destroyed).toBe(false)
  }
  readers.sweep(3_999)
  expect(served.destroyed).toBe(false)
  readers.sweep(4_000)
  expect(served.destroyed).toBe(true)
})

it("H4 a connection for which nothing waits is left alone, and its turn begins when something does", async () => {
  const { served } = await pair()
  const readers = SlowReaders.make({ turnMillis: 1_000, leastInTurn: MiB })
  readers.watch(served)
  for (const now of [0, 1_000, 5_000]) readers.sweep(now)
  served.write(Buffer.alloc(64 * MiB))
  for (const now of [6_000, 6_999]) readers.sweep(now)
  expect(served.destroyed).toBe(false)
  readers.sweep(7_000)
  expect(served.destroyed).toBe(true)
})
