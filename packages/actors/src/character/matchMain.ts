/** Role `character-match`: composition root; puts layers together, decides nothing else. */
import { Client, Worker } from "@eco2/core"
import { Role } from "@eco2/core/service"
import { Postgres } from "@eco2/core/postgres"
import { Layer } from "effect"
import { characterMatch } from "./layers.ts"

Role.run({
  role: "character-match",
  app: Layer.merge(characterMatch(), Worker.telemetry).pipe(
    Layer.provide(Worker.layer({ role: "character-match" })),
    Layer.provide([Client.fromEnvironment, Postgres.layer])
  )
})
