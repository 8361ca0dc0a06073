/** Role `scan-worker`: composition root; puts layers together, decides nothing else. */
import { Client, Worker } from "@eco2/core"
import { Role } from "@eco2/core/service"
import { Layer } from "effect"
import { scanWorker } from "./layers.ts"

Role.run({
  role: "scan-worker",
  app: Layer.merge(scanWorker, Worker.telemetry).pipe(
    Layer.provide(Worker.layer({ role: "scan-worker" })),
    Layer.provide(Client.fromEnvironment)
  )
})
