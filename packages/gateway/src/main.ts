/** Role `gateway`: composition root; puts layers together, decides nothing else. */
import { Client } from "@eco2/core/client"
import { Role } from "@eco2/core/service"
import { Postgres } from "@eco2/core/postgres"
import { characters } from "@eco2/actors/characters"
import { Layer } from "effect"
import { gateway } from "./layers.ts"

const host = "0.0.0.0"

Role.run({
  role: "gateway",
  host,
  app: gateway({ authDefault: "jwt", host }).pipe(
    Layer.provide(Layer.provide(characters, Postgres.layerOptional)),
    Layer.provide(Client.layer),
    Layer.provide(Client.fromEnvironment)
  )
})
