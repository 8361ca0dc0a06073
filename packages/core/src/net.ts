/** @eco2/core/net: for fetching what strangers named. */
export * as GuardedFetch from "./net/GuardedFetch.ts"
export * as PublicAddress from "./net/PublicAddress.ts"
export * as RetryAfter from "./net/RetryAfter.ts"
