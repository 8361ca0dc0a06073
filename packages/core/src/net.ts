/** @eco2/core/net: for fetching URLs from untrusted sources. */
export * as GuardedFetch from "./net/GuardedFetch.ts"
export * as NameLookup from "./net/NameLookup.ts"
export * as PublicAddress from "./net/PublicAddress.ts"
export * as RetryAfter from "./net/RetryAfter.ts"
