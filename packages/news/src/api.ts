/** Role `news-api`: composition root; puts layers together, decides nothing else. It starts and
 * serves even if Redis is down. */
import { RedisClient } from "@eco2/core/redis"
import { Role } from "@eco2/core/service"
import { Postgres } from "@eco2/core/postgres"
import { Layer } from "effect"
import { newsApi, newsApiPermissions } from "./layers.ts"

Role.run({
  role: "news-api",
  app: newsApi.pipe(Layer.provide([RedisClient.layer, Postgres.layer]), Layer.provide(newsApiPermissions))
})
