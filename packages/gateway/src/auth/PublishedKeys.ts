/**
 * PublishedKeys: the issuer's public keys, fetched from its JWKS address and cached. A token that none of them can have signed
 * causes another fetch (key rotation), at most one every half minute, so that invented tokens cost the issuer nothing. Until
 * then nobody knows whether a token that is younger than the last fetch is good: it is to be sent again later, because a client
 * that is refused gives its token up. While the issuer is down, the last known keys stay valid for a day. One fetch at a time,
 * bounded in time and bytes.
 */
import { Elapsed } from "@eco2/core/client"
import { Clock, Data, Effect, Schema } from "effect"
import { createLocalJWKSet, errors } from "jose"
import type { JWTVerifyGetKey } from "jose"

/** The key of a token is not known now, so the token cannot be verified. The keys are fetched again in `retryAfterMillis`. */
export class KeysUnavailable extends Data.TaggedError("KeysUnavailable")<{
  readonly reason: string
  readonly retryAfterMillis: number
}> {
  override get message() {
    return this.reason
  }
}

/** What an unverified token says of itself. */
export interface Unverified {
  /** Its key's id. */
  readonly kid: string | undefined
  /** Epoch seconds. */
  readonly issuedAt: number | undefined
}

export interface PublishedKeys {
  /**
   * Verifies a token by the known keys; when none of them can have signed it, once more by keys fetched after that.
   * Rejects with KeysUnavailable, or as `verify` does.
   */
  readonly verify: <A>(token: Unverified, verify: (keys: JWTVerifyGetKey) => Promise<A>) => Promise<A>
}

const fetchMillis = 5_000
const mostBytes = 256 * 1024
const mostKeys = 100
/** Age at which the keys are fetched again; the old ones stay in use meanwhile. */
const freshMillis = 10 * 60_000
/** Clocks of the issuer and of this process may differ by this much. */
const skewMillis = 5_000
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
  const { keys } = decodeKeySet(await read(response))
  return {
    get: createLocalJWKSet({ keys: keys.map((key) => ({ ...key })) }),
    ids: new Set(keys.map(({ kid }) => kid))
  }
}
interface Known extends Awaited<ReturnType<typeof fetchKeys>> {
  /** When they were asked for: by the monotonic clock, and epoch milliseconds. */
  readonly since: number
  readonly sinceEpoch: number
  /** Of their fetch; counts from 1. */
  readonly number: number
}

/** Whether another key than the known ones may have signed the token. */
const mayBeOfAnother = (error: unknown, { kid }: Unverified, { ids }: Known) =>
  kid === undefined
    ? error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed
    : error instanceof errors.JWKSNoMatchingKey && !ids.has(kid)

export const make = Effect.fnUntraced(function* (url: string): Effect.fn.Return<PublishedKeys> {
  const now = yield* Elapsed.clock
  const clock = yield* Clock.Clock
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  // the query may contain a key of the operator's
  const shownUrl = url.replace(/[?#].*/s, "")
  let known: Known | null = null
  let triedAt = -Infinity
  let fetches = 0
  let trouble: string | null = null
  let running: Promise<void> | null = null

  const failed = (error: unknown) => {
    const reason = (error instanceof Error ? error.message : String(error)).replaceAll(url, shownUrl)
    if (trouble === null)
      fork(
        Effect.logWarning("the issuer's keys cannot be fetched").pipe(
          Effect.annotateLogs({ url: shownUrl, error: reason })
        )
      )
    trouble = reason
  }
  const fetchAgain = (): Promise<void> => {
    if (running !== null) return running
    const [since, sinceEpoch, number] = [now(), clock.currentTimeMillisUnsafe(), ++fetches]
    triedAt = since
    running = fetchKeys(url)
      .then((keys) => {
        known = { ...keys, since, sinceEpoch, number }
        if (trouble !== null) fork(Effect.logInfo("the issuer's keys are available again"))
        trouble = null
      }, failed)
      .finally(() => {
        running = null
      })
    return running
  }
  const pause = () => triedAt + (trouble === null ? cooldownMillis : troubleMillis) - now()
  const mayFetch = () => running !== null || pause() <= 0
  const usable = () => (known !== null && now() - known.since <= staleMillis ? known : null)
  const unavailable = (reason: string) => new KeysUnavailable({ reason, retryAfterMillis: Math.max(0, pause()) })

  return {
    verify: async (token, verify) => {
      const before = fetches
      if (usable() === null && mayFetch()) await fetchAgain()
      let keys = usable()
      if (keys !== null && now() - keys.since > freshMillis && mayFetch()) void fetchAgain()
      while (keys !== null) {
        try {
          return await verify(keys.get)
        } catch (error) {
          // asked for after the token had come: no other key can have signed it
          if (!mayBeOfAnother(error, token, keys) || keys.number > before) throw error
          if (usable() === keys && mayFetch()) await fetchAgain()
          const newer = usable()
          if (newer === keys) {
            // a key is published before it signs
            if (token.issuedAt !== undefined && token.issuedAt * 1_000 + skewMillis < keys.sinceEpoch) throw error
            throw unavailable("the token's key is not known, and the keys were fetched lately")
          }
          keys = newer
        }
      }
      throw unavailable(`the issuer's keys are not available: ${trouble ?? "they are too old"}`)
    }
  }
})
