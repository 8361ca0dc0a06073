/**
 * PasswordRotation: keeps the command connections logged in while the password in REDIS_PASSWORD_FILE changes. Every connect
 * uses the file's present text, and a changed text is presented (AUTH) on connections that are open, before the server ends
 * them because their token expired. A refusal is logged once, and tried again until it is over.
 * Neighbours: Credentials (the file), BlockingReader (presents it before a read).
 */
import { Cluster } from "ioredis"
import type { Redis as StandaloneRedis } from "ioredis"
import { Effect } from "effect"
import type { Scope } from "effect"
import * as OutageLog from "../telemetry/OutageLog.ts"
import { fromPromise } from "./Command.ts"
import type { Connection } from "./Connection.ts"
import type { Credentials } from "./Credentials.ts"

/** How often the file is read. A token has to be renewed longer than this before it expires. */
const lookEvery = "10 seconds"

/** The words of AUTH. */
export const authWords = (credentials: Credentials): ReadonlyArray<string> => [
  ...(credentials.username === undefined ? [] : [credentials.username]),
  credentials.password() ?? ""
]

/** Ends with the scope. Does nothing for a password that cannot change. */
export const watch = Effect.fnUntraced(function* (
  shared: Connection,
  credentials: Credentials
): Effect.fn.Return<void, never, Scope.Scope> {
  if (!credentials.mayChange) return
  const presented = new WeakMap<StandaloneRedis, string>()
  const outage = OutageLog.make("redis password cannot be renewed", "redis password is renewed again")
  /** What the node's next connect presents: the file's text now. A file that cannot be read is logged by `look`. */
  const equip = (node: StandaloneRedis) => {
    credentials.refresh()
    const password = credentials.password() ?? ""
    node.options.password = password
    presented.set(node, password)
  }
  if (shared instanceof Cluster) {
    // new nodes are made from the options of the start
    shared.on("+node", equip)
    for (const node of shared.nodes()) equip(node)
  } else {
    equip(shared)
    shared.on("reconnecting", () => equip(shared))
  }
  const present = (node: StandaloneRedis) =>
    Effect.suspend(() => {
      const password = credentials.password() ?? ""
      if (presented.get(node) === password) return Effect.void
      node.options.password = password
      if (node.status !== "ready") return Effect.void
      return Effect.tap(
        fromPromise("AUTH", () => node.call("AUTH", ...authWords(credentials))),
        () => Effect.sync(() => presented.set(node, password))
      )
    })
  const look = Effect.suspend(() => {
    const problem = credentials.refresh()
    if (problem !== null) return outage.failed({ message: problem })
    const nodes = shared instanceof Cluster ? shared.nodes() : [shared]
    return Effect.forEach(nodes, present, { concurrency: "unbounded", discard: true }).pipe(
      Effect.matchEffect({ onFailure: outage.failed, onSuccess: () => outage.over })
    )
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(lookEvery), look)))
})
