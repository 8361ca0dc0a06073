/** The doctor's own connection: the address in a URL is the one it connects to. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer } from "node:net"
import * as Watch from "../../../deploy/cli/doctor/Watch.ts"

describe("the protocol of a gateway", () => {
  for (const [host, what] of [
    ["127.0.0.1", "IPv4"],
    ["[::1]", "IPv6"]
  ] as const) {
    it.live(`a gateway at an address of ${what} is connected to, and no name is looked up or asked for`, () =>
      Effect.gen(function* () {
        // a server that does not speak TLS: what fails is the handshake, and not the way there
        const server = yield* Effect.acquireRelease(
          Effect.promise(
            () =>
              new Promise<ReturnType<typeof createServer> | null>((resolve) => {
                const listening = createServer((socket) => socket.end("no TLS"))
                listening.once("error", () => resolve(null))
                listening.listen(0, host.replaceAll(/[[\]]/g, ""), () => resolve(listening))
              })
          ),
          (listening) => Effect.sync(() => listening?.close())
        )
        // a machine without IPv6
        if (server === null) return
        const address = server.address()
        const port = typeof address === "object" ? address?.port : 0
        const failure = yield* Effect.flip(Watch.protocol(new URL(`https://${host}:${port}`), 5_000))
        expect(failure.message).not.toContain("ENOTFOUND")
        expect(failure.message).toMatch(/wrong version|packet length|ssl|TLS/i)
      })
    )
  }
})
