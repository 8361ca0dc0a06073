/** @eco2/core/http: for what every HTTP API of the system shares: refusals, error bodies, allowed origins, page policy, pages. */
export * as CorsOrigins from "./http/CorsOrigins.ts"
export * as ErrorBody from "./http/ErrorBody.ts"
export * as PagePolicy from "./http/PagePolicy.ts"
export * as ModuleBundle from "./http/ModuleBundle.ts"
export * as Pages from "./http/Pages.ts"
export * as Prepared from "./http/Prepared.ts"
export * as Refusal from "./http/Refusal.ts"
export * as Stylesheet from "./http/Stylesheet.ts"
