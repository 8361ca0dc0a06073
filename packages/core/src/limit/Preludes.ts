/** Preludes: what stands before the scripts of rate limits and of breakers, in order. */
import * as Script from "../redis/Script.ts"

const file = (name: string) => new URL(`./scripts/${name}.lua`, import.meta.url)

export const limit = [Script.clock, file("steady"), file("limit")]
export const breaker = [Script.clock, file("steady"), file("breaker")]
