/** PassingFor: a Redis that reports another release, through a proxy that rewrites its replies. */
import { Effect } from "effect"
import { connect, createServer } from "node:net"

/** The server as if it had another version; `other` has as many characters as it stands for, so that replies keep their lengths. */
export const passingFor = Effect.fnUntraced(function* (port: number, version: RegExp, other: string) {
  const told = new RegExp(`redis_version:${version.source}`)
  const proxy = createServer((inner) => {
    const outer = connect(port, "127.0.0.1")
    inner.pipe(outer)
    outer.on("data", (piece: Buffer) =>
      inner.write(Buffer.from(piece.toString("latin1").replace(told, `redis_version:${other}`), "latin1"))
    )
    outer.on("error", () => inner.destroy())
    inner.on("error", () => outer.destroy())
    inner.on("close", () => outer.destroy())
  })
  yield* Effect.promise(() => new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve)))
  yield* Effect.addFinalizer(() => Effect.sync(() => proxy.close()))
  const bound = proxy.address()
  return `redis://127.0.0.1:${typeof bound === "object" && bound !== null ? bound.port : 0}`
})
