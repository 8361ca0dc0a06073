/** @eco2/core/refusal: for declaring what an HTTP API refuses; of @eco2/core/http the part that its clients load too. */
export * as Refusal from "./http/Refusal.ts"
