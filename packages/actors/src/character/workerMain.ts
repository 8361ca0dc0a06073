/** Role `character-worker`: composition root; puts layers together, decides nothing else. */
import { Client, Worker } from "@eco2/core"
import { Role } from "@eco2/core/service"
import { Postgres } from "@eco2/core/postgres"
import { Layer } from "effect"
import { characterWorker, databaseReadiness } from "./layers.ts"

Role.run({
  role: "character-worker",
  app: Layer.mergeAll(characterWorker, databaseReadiness, Worker.telemetry).pipe(
    Layer.provide(Worker.layer({ role: "character-worker" })),
    Layer.provide([Client.fromEnvironment, Postgres.layer])
  )
})
