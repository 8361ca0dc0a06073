/** Role `character-worker`: composition root; puts layers together, decides nothing else. */
import { Core, Postgres, Role } from "@eco2/core"
import { Layer } from "effect"
import { characterWorker, databaseReadiness } from "./layers.ts"

Role.run({
  role: "character-worker",
  app: Layer.mergeAll(characterWorker, databaseReadiness, Core.workerTelemetry).pipe(
    Layer.provide(Core.worker({ role: "character-worker" })),
    Layer.provide([Core.fromEnvironment, Postgres.layer])
  )
})
