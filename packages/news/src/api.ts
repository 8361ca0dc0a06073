/** Role `news-api`: composition root; puts layers together, decides nothing else. It starts and serves while Redis is away. */
import { Postgres, RedisClient, Role } from "@eco2/core"
import { Layer } from "effect"
import { newsApi } from "./layers.ts"

Role.run({
  role: "news-api",
  app: newsApi.pipe(Layer.provide([RedisClient.layer, Postgres.layer]))
})
