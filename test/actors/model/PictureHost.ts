/** PictureHost: a server of pictures on loopback, reachable under several names; the test sets its answers. */
import { Effect } from "effect"
import type { Scope } from "effect"
import { createServer } from "node:http"
import type { ServerResponse } from "node:http"
import * as Photos from "../../harness/Photos.ts"

/** A picture without metadata, less than 100 bytes. */
export const png = Photos.png()

export interface PictureHost {
  /** `host:port`, each a host of its own. */
  readonly places: ReadonlyArray<string>
  readonly asked: () => number
  /** The first place's URL. */
  readonly url: string
}

export const start = (
  answer: (response: ServerResponse, path: string) => void
): Effect.Effect<PictureHost, never, Scope.Scope> =>
  Effect.gen(function* () {
    let asked = 0
    const server = createServer((request, response) => {
      asked++
      answer(response, request.url ?? "")
    })
    yield* Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve)))
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
    )
    const address = server.address()
    const port = address !== null && typeof address === "object" ? address.port : 0
    const places = ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map((host) => `${host}:${port}`)
    return { places, asked: () => asked, url: `http://${places[0]}/photo` }
  })
