/** Role `scan-worker`: composition root; puts layers together, decides nothing else. */
import { Core, Role } from "@eco2/core"
import { Layer } from "effect"
import { scanWorker } from "./layers.ts"

Role.run({
  role: "scan-worker",
  app: Layer.merge(scanWorker, Core.workerTelemetry).pipe(
    Layer.provide(Core.worker({ role: "scan-worker" })),
    Layer.provide(Core.fromEnvironment)
  )
})
