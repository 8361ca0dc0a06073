/** Role `news-worker`: composition root; puts layers together, decides nothing else. */
import { Core, Postgres, Role } from "@eco2/core"
import { Layer } from "effect"
import { newsWorker, workerReadiness } from "./layers.ts"

Role.run({
  role: "news-worker",
  app: Layer.mergeAll(newsWorker, workerReadiness, Core.workerTelemetry).pipe(
    Layer.provide(Core.worker({ role: "news-worker" })),
    Layer.provide([Core.fromEnvironment, Postgres.layer])
  )
})
