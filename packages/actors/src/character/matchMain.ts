/** Role `character-match`: composition root; puts layers together, decides nothing else. */
import { Core, Postgres, Role } from "@eco2/core"
import { Layer } from "effect"
import { characterMatch } from "./layers.ts"

Role.run({
  role: "character-match",
  app: Layer.merge(characterMatch(), Core.workerTelemetry).pipe(
    Layer.provide(Core.worker({ role: "character-match" })),
    Layer.provide([Core.fromEnvironment, Postgres.layer])
  )
})
