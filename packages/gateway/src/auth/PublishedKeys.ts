/**
 * PublishedKeys: the issuer's public keys, fetched from its JWKS address and cached. An unknown key id causes another fetch
 * (key rotation), at most one every half minute, so that invented ids cost the issuer nothing. While the issuer is down, the
 * last known keys stay valid for a day. One fetch at a time, bounded in time and bytes.
 */
import { Elapsed } from "@eco2/core/client"
import { Data, Effect, Schema } from "effect"
import { createLocalJWKSet, errors } from "jose"
import type { JWTVerifyGetKey } from "jose"

/** The issuer has not answered, and no keys are known, so no token can be verified. */
export class KeysUnavailable extends Data.TaggedError("KeysUnavailable")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

const fetchMillis = 5_000
const mostBytes = 256 * 1024
const mostKeys = 100
/** Age at which the keys are fetched again; the old ones stay in use meanwhile. */
const freshMillis = 10 * 60_000
/** Least time between two fetches for unknown keys. */
const cooldownMillis = 30_000
/** Pause after a failed fetch. */
const troubleMillis = 2_000
/** Age without a successful fetch at which the keys are no longer used. */
const staleMillis = 24 * 3_600_000

const KeySet = Schema.Struct({
  keys: Schema.Array(
    Schema.StructWithRest(Schema.Struct({ kty: Schema.String }), [Schema.Record(Schema.String, Schema.Unknown)])
  ).check(Schema.isMaxLength(mostKeys))
})
const decodeKeySet = Schema.decodeUnknownSync(Schema.fromJsonString(KeySet))

const read = async (response: Response): Promise<string> => {
  const chunks: Array<Uint8Array> = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > mostBytes) throw new Error(`the answer has more than ${mostBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString("utf8")
}

const fetchKeys = async (url: string) => {
  const response = await fetch(url, {
    signal: AbortSignal.timeout(fetchMillis),
    redirect: "error",
    headers: { accept: "application/json" }
  })
  if (!response.ok) throw new Error(`the answer is ${response.status}`)
  return createLocalJWKSet({ keys: decodeKeySet(await read(response)).keys.map((key) => ({ ...key })) })
}

/** Finds the key a token names; rejects with KeysUnavailable, or with jose's own errors. */
export const make = Effect.fnUntraced(function* (url: string): Effect.fn.Return<JWTVerifyGetKey> {
  const now = yield* Elapsed.clock
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  let known: JWTVerifyGetKey | null = null
  let fetchedAt = -Infinity
  let triedAt = -Infinity
  let trouble: string | null = null
  let running: Promise<void> | null = null

  const succeeded = (keys: JWTVerifyGetKey) => {
    known = keys
    fetchedAt = now()
    if (trouble !== null) fork(Effect.logInfo("the issuer's keys are available again"))
    trouble = null
  }
  const failed = (error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error)
    if (trouble === null)
      fork(Effect.logWarning("the issuer's keys cannot be fetched").pipe(Effect.annotateLogs({ url, error: reason })))
    trouble = reason
  }
  const fetchAgain = (): Promise<void> => {
    triedAt = now()
    running ??= fetchKeys(url)
      .then(succeeded, failed)
      .finally(() => {
        running = null
      })
    return running
  }
  const mayFetch = () => running !== null || now() - triedAt >= (trouble === null ? cooldownMillis : troubleMillis)

  return async (header, token) => {
    const isUsable = () => known !== null && now() - fetchedAt <= staleMillis
    if (!isUsable() && mayFetch()) await fetchAgain()
    if (known === null || !isUsable())
      throw new KeysUnavailable({ reason: `the issuer's keys are not available: ${trouble ?? "they are too old"}` })
    if (now() - fetchedAt > freshMillis && mayFetch()) void fetchAgain()
    try {
      return await known(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !mayFetch()) throw error
      await fetchAgain()
      return known(header, token)
    }
  }
})
