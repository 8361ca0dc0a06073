/** A worker of `npm run test:crashes`; it writes a line `call begins` for each call. */
import { Client, StageBehavior, Worker } from "@eco2/core"
import { Role } from "@eco2/core/service"
import { Effect, Layer } from "effect"
import { callMillis, deadlyMillis, LongCall } from "./LongCall.ts"

/** The same for all: processes of one role share what is known of its crashes (A2). */
const role = "crashing"

Role.run({
  role,
  app: Layer.merge(
    StageBehavior.layer(
      LongCall,
      "call",
      Effect.succeed(({ input: { deadly, number } }) =>
        Effect.gen(function* () {
          yield* Effect.logInfo("call begins").pipe(Effect.annotateLogs({ number }))
          yield* Effect.sleep(deadly ? deadlyMillis : callMillis(number))
          if (deadly) process.kill(process.pid, "SIGKILL")
          return { number }
        })
      )
    ),
    Worker.telemetry
  ).pipe(Layer.provide(Worker.layer({ role })), Layer.provide(Client.fromEnvironment))
})
