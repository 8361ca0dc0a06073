/** Role `gateway`: composition root; puts layers together, decides nothing else. */
import { Core, Role } from "@eco2/core"
import { Layer } from "effect"
import { gateway } from "./layers.ts"

const host = "0.0.0.0"

Role.run({
  role: "gateway",
  host,
  app: gateway({ authDefault: "jwt", host }).pipe(Layer.provide(Core.client), Layer.provide(Core.fromEnvironment))
})
