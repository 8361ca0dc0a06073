/**
 * ServerLook: asks every master what it says of itself (ServerInfo), and logs what does not meet the requirements, once. A part of
 * RedisClient; RedisHealth repeats the look while Redis is in trouble.
 */
import { Cluster } from "ioredis"
import type { Redis as StandaloneRedis } from "ioredis"
import { Effect } from "effect"
import { fromPromise } from "./Command.ts"
import { mastersOf } from "./Connection.ts"
import type { RedisError } from "./RedisError.ts"
import type * as RedisHealth from "./RedisHealth.ts"
import * as ServerInfo from "./ServerInfo.ts"

/** How many slots a master is sending or receiving, as a line like those of INFO; none where CLUSTER NODES is not permitted. */
const openSlotsOf = async (node: StandaloneRedis): Promise<string> => {
  const nodes = await node.cluster("NODES").catch(() => "")
  const own = String(nodes)
    .split("\n")
    .find((line) => line.includes("myself"))
  return own === undefined ? "" : `cluster_open_slots:${own.match(/\[\d+-[<>]-/g)?.length ?? 0}`
}

export interface ServerLook {
  /** What the masters that answer say; fails where none answers, with the words of one. */
  readonly look: Effect.Effect<RedisHealth.Look, RedisError>
  /** The look after a reconnect or a refusal, because another server may answer now. Logs each finding once. */
  readonly lookAgain: Effect.Effect<RedisHealth.Look, RedisError>
}

export const make = (shared: StandaloneRedis | Cluster): ServerLook => {
  const ask = async (node: StandaloneRedis): Promise<ServerInfo.ServerInfo> => {
    const texts = await Promise.all([
      node.info(),
      ...(shared instanceof Cluster ? [node.cluster("INFO"), openSlotsOf(node)] : [])
    ])
    return ServerInfo.parse(`${node.stream.remoteAddress}:${node.stream.remotePort}`, texts.join("\r\n"))
  }
  const askAll = async (): Promise<RedisHealth.Look> => {
    const answers = await Promise.allSettled((await mastersOf(shared)).map(ask))
    const heard = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []))
    if (heard.length === 0) throw answers.find((answer) => answer.status === "rejected")?.reason
    return { heard, silent: answers.length - heard.length }
  }
  const look = Effect.suspend(() => fromPromise("INFO", askAll))
  let objected = ""
  const lookAgain = Effect.tap(look, ({ heard }) => {
    const objections = heard.flatMap(ServerInfo.objections)
    if (objections.length === 0 || objections.join() === objected) return Effect.void
    objected = objections.join()
    return Effect.logWarning("redis does not meet the requirements").pipe(Effect.annotateLogs({ objections }))
  })
  return { look, lookAgain }
}
