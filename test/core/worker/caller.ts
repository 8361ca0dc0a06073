/**
 * A worker run as the README says, whose stage makes one costly call: LEDGER is the file in which its begin and end are noted,
 * CALL_MILLIS how long it takes. PROGRAM: what runs beside it, `fails` or `ends`; left out: nothing.
 */
import { Client, StageBehavior, Worker } from "@eco2/core"
import { Effect, Layer } from "effect"
import type { Pipeline } from "@eco2/core"
import { appendFileSync } from "node:fs"
import { Called } from "./CallPipeline.ts"

const note = (text: string) => Effect.sync(() => appendFileSync(process.env.LEDGER ?? "", `${text}\n`))
const calling = StageBehavior.layer(
  Called,
  "call",
  Effect.succeed(({ input }: Pipeline.Read<typeof Called, "call">) =>
    note(`begun ${input}`).pipe(
      Effect.andThen(Effect.sleep(Number(process.env.CALL_MILLIS ?? 0))),
      Effect.andThen(note(`ended ${input}`)),
      Effect.as("answer")
    )
  )
)
const worker = calling.pipe(Layer.provideMerge(Worker.layer({ role: "caller" })), Layer.provide(Client.fromEnvironment))

if (process.env.PROGRAM === "fails") Worker.run(worker, Effect.fail(new Error("the program failed")))
else if (process.env.PROGRAM === "ends") Worker.run(worker, Effect.void)
else Worker.run(worker)
