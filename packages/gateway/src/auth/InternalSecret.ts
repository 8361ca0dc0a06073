/**
 * InternalSecret: what the operators' calls declare: they need the secret or the console's session, and know who acts. Clients load
 * it with the calls, so it loads nothing of a server. Neighbour: OperatorGate, which lets operators in.
 */
import { Refusal } from "@eco2/core/refusal"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import * as OperatorSession from "./OperatorSession.ts"

/** The operator of a call. */
export interface Operator {
  readonly who: string
  readonly role: OperatorSession.Role
}

/** What a handler adds to the audit log about its change: JSON of what was there before and after. */
export interface Change {
  before: unknown
  after: unknown
}

/** The operator of this call and what it changes; null outside of the operators' calls. */
export class Operating extends Context.Reference<(Operator & { readonly change: Change }) | null>(
  "@eco2/gateway/auth/InternalSecret/Operating",
  { defaultValue: () => null }
) {}

/** For handlers: what a change replaced, for the audit log. */
export const changed = (before: unknown, after: unknown) =>
  Effect.map(Operating, (operating) => {
    if (operating !== null) Object.assign(operating.change, { before, after })
  })

export class InternalSecret extends HttpApiMiddleware.Service<InternalSecret>()("@eco2/gateway/auth/InternalSecret", {
  security: {
    internalSecret: HttpApiSecurity.apiKey({ in: "header", key: "x-internal-secret" }),
    consoleSession: HttpApiSecurity.apiKey({ in: "cookie", key: OperatorSession.cookie })
  },
  error: Refusal.declared(403, "FORBIDDEN")
}) {}
