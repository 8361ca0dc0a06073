/**
 * A process that owns a LocalRedis on the given folder and then waits: LocalRedis.test.ts starts and kills it. It prints one line
 * of JSON, `{url, pid}`, when the server is up.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"
import * as LocalRedis from "../../deploy/local/LocalRedis.ts"
import * as LocalState from "../../deploy/local/LocalState.ts"

const [, , directory = ""] = process.argv
const program = Effect.gen(function* () {
  const state = yield* LocalState.make({ directory })
  const redis = yield* LocalRedis.make({ directory: state.path("redis") })
  yield* Console.log(JSON.stringify({ url: redis.url, pid: redis.pid }))
  return yield* redis.died
})
NodeRuntime.runMain(Effect.scoped(program), { disableErrorReporting: true })
