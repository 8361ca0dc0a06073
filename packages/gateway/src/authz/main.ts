/** Role `authz`: composition root; puts layers together, decides nothing else. */
import { Core, Role } from "@eco2/core"
import { Layer } from "effect"
import { authz } from "../layers.ts"

Role.run({
  role: "authz",
  app: authz.pipe(Layer.provide(Core.client), Layer.provide(Core.fromEnvironment))
})
