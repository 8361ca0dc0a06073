/** Role `authz`: composition root; puts layers together, decides nothing else. */
import { Client } from "@eco2/core/client"
import { Role } from "@eco2/core/service"
import { Layer } from "effect"
import { authz, authzPermissions } from "../layers.ts"

Role.run({
  role: "authz",
  app: authz.pipe(Layer.provide(Client.layer), Layer.provide(Client.fromEnvironment), Layer.provide(authzPermissions))
})
