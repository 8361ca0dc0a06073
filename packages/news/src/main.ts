/** Role `news-worker`: composition root; puts layers together, decides nothing else. */
import { Client, Worker } from "@eco2/core"
import { Role } from "@eco2/core/service"
import { Postgres } from "@eco2/core/postgres"
import { Layer } from "effect"
import { newsWorker, workerReadiness } from "./layers.ts"

Role.run({
  role: "news-worker",
  app: Layer.mergeAll(newsWorker, workerReadiness, Worker.telemetry).pipe(
    Layer.provide(Worker.layer({ role: "news-worker" })),
    Layer.provide([Client.fromEnvironment, Postgres.layer])
  )
})
