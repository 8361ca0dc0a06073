/**
 * SentinelWatch: which server is the master, by the Sentinels, and when that changes. A demoted master may go on answering: a
 * Sentinel that cannot reach it cannot close its clients' connections, and what it acknowledges is lost. So the process leaves
 * it as soon as any Sentinel says so.
 * One connection to each Sentinel is subscribed to `+switch-master`, and asks every two seconds, which also finds out that it
 * has fallen silent. Of several answers the one with the highest configuration epoch counts: a Sentinel that was cut off from
 * the others still names the old master. Neighbours: Connector (connects there), RedisClient (leaves the old one).
 */
import { Redis as StandaloneRedis } from "ioredis"
import { Effect, Option, Schema } from "effect"
import type { Scope } from "effect"
import { isIP } from "node:net"
import * as Elapsed from "../clock/Elapsed.ts"
import { silenceMillis } from "./Connection.ts"
import * as Connector from "./Connector.ts"
import type { Address } from "./Connector.ts"
import * as Pairs from "./Pairs.ts"

export interface SentinelWatch {
  /** The master; null while no Sentinel has confirmed it lately. */
  readonly master: () => Address | null
}

const askMillis = 2_000
/** An answer counts for this long. */
const freshMillis = 3 * askMillis

interface Answer extends Address {
  readonly epoch: number
  readonly at: number
}

const decode = Schema.decodeUnknownOption(Schema.Array(Schema.String))
const answerOf = (reply: unknown, at: number): Answer | null => {
  const fields = Pairs.toMap(Option.getOrElse(decode(reply), () => []))
  const [host, port, epoch] = ["ip", "port", "config-epoch"].map((name) => fields.get(name))
  return host === undefined || port === undefined ? null : { host, port: Number(port), epoch: Number(epoch ?? 0), at }
}

const isSame = (a: Address, b: Address) => a.host === b.host && a.port === b.port

/** The server at the other end; null while there is none, or where Sentinels name servers by name and not by address. */
const peerOf = ({ stream }: StandaloneRedis, byName: boolean): Address | null => {
  const host = stream?.remoteAddress?.replace(/^::ffff:/, "")
  return host === undefined || stream.remotePort === undefined || byName ? null : { host, port: stream.remotePort }
}

/** `shared`: the connection to the master; its options have the Sentinels and what they ask for. `moved`: leave it. */
export const make = Effect.fnUntraced(function* (
  shared: StandaloneRedis,
  moved: (to: Address) => void
): Effect.fn.Return<SentinelWatch, never, Scope.Scope> {
  const now = yield* Elapsed.clock
  const { name, sentinelPassword, sentinelTLS, sentinelUsername, sentinels } = shared.options
  if (!name || !sentinels) return { master: () => null }
  const answers = new Map<StandaloneRedis, Answer>()
  let known: Answer | null = null

  const fresh = () => [...answers.values()].filter(({ at }) => now() - at < freshMillis)
  const decide = () => {
    const [best] = fresh().toSorted((a, b) => b.epoch - a.epoch)
    // the others are out of reach, and this one knows less than they did
    if (best === undefined || (known !== null && best.epoch < known.epoch)) return
    const before = known ?? peerOf(shared, isIP(best.host) === 0)
    known = best
    if (before !== null && !isSame(before, best)) moved(best)
  }
  const ask = async (sentinel: StandaloneRedis) => {
    const reply = await sentinel.call("SENTINEL", "MASTER", name)
    const answer = answerOf(reply, now())
    if (answer !== null) answers.set(sentinel, answer)
    decide()
  }
  /** A Sentinel that does not answer is no trouble while another does; without any, the connection to the master goes on. */
  const askAll = () => {
    for (const sentinel of watched) {
      if (sentinel.status === "ready") ask(sentinel).catch(() => answers.delete(sentinel))
    }
  }
  const watched = yield* Effect.acquireRelease(
    Effect.sync(() =>
      sentinels.map(({ host = "127.0.0.1", port = 26_379 }) => {
        const sentinel = new StandaloneRedis({
          host,
          port,
          ...(sentinelUsername === undefined ? {} : { username: sentinelUsername }),
          ...(sentinelPassword === undefined ? {} : { password: sentinelPassword }),
          ...(sentinelTLS === undefined ? {} : { tls: sentinelTLS }),
          Connector: Connector.toSentinel,
          // a subscribed connection of this protocol can ask too
          protocol: 3,
          connectionName: "eco2-failover",
          enableReadyCheck: false,
          enableOfflineQueue: false,
          maxRetriesPerRequest: 0,
          autoResubscribe: false,
          socketTimeout: silenceMillis,
          connectTimeout: silenceMillis,
          retryStrategy: (times) => Math.min(100 * times, askMillis)
        })
        // reported, if no Sentinel answers, by the connection to the master
        sentinel.on("error", () => undefined)
        sentinel.on("ready", () => {
          sentinel.subscribe("+switch-master").catch(() => sentinel.disconnect(true))
          askAll()
        })
        sentinel.on("message", askAll)
        return sentinel
      })
    ),
    (all) => Effect.sync(() => all.forEach((sentinel) => sentinel.disconnect()))
  )
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(askMillis), Effect.sync(askAll))))

  return {
    master: () => {
      const best = known
      return best !== null && fresh().some((answer) => isSame(answer, best)) ? best : null
    }
  }
})
