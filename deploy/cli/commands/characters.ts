/** `eco2 characters`: the catalogue of characters, which workers hold in memory. */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import { print } from "../Output.ts"

/** Loaded when it is asked for, as the doctor is. */
const warmUp = Command.make("warm-up", {}, () =>
  Effect.gen(function* () {
    const { warmedUp } = yield* Effect.promise(() => import("../Database.ts"))
    const characters = yield* warmedUp
    yield* print({ characters }, () => `told every worker the ${characters} characters`)
  })
).pipe(Command.withDescription("Publish the catalogue of the database to every worker (DATABASE_URL, REDIS_URL)"))

export const characters = Command.make("characters").pipe(
  Command.withDescription("The catalogue of characters"),
  Command.withSubcommands([warmUp])
)
