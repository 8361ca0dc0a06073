/** authz and news-api under the short ACLs of docs/operations/redis.md: they suffice, hold nothing needless, and are checked at start. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Permissions } from "@eco2/core/redis"
import { RedisServer } from "@eco2/core/testing"
import { authzPermissions } from "@eco2/gateway/layers"
import { newsApiPermissions } from "@eco2/news/layers"
import { Effect } from "effect"
import { Redis } from "ioredis"
import { files, read } from "../harness/Documents.ts"
import { send } from "../harness/RawRequest.ts"
import { bySecret, inSeconds, signed } from "../harness/TokenIssuer.ts"
import { simulatedOnly, start, until } from "./Serving.ts"

let redis: RedisServer.RedisServer
let outside: Redis
beforeAll(async () => {
  redis = await RedisServer.start()
  outside = new Redis(redis.url)
})
afterAll(async () => {
  outside.disconnect()
  await redis.stop()
})

const roles = ["authz", "news-api"] as const
type Role = (typeof roles)[number]
const rulesOf = (role: Role): ReadonlyArray<string> =>
  new RegExp(`^ACL SETUSER eco2-${role} reset on >PASSWORD (.+)$`, "m")
    .exec(read("docs/operations/redis.md"))?.[1]
    ?.split(" ") ?? []
const needsOf = (layer: typeof authzPermissions) =>
  Effect.runSync(
    Effect.provide(
      Effect.gen(function* () {
        return yield* Permissions.Needs
      }),
      layer
    )
  )
const needs = { authz: needsOf(authzPermissions), "news-api": needsOf(newsApiPermissions) }

const env = { ...bySecret, DATABASE_URL: "postgres://127.0.0.1:1/none" }
/** The URL of a user with these rules. */
const as = async (...rules: ReadonlyArray<string>) => {
  await outside.call("ACL", "LOG", "RESET")
  await outside.call("ACL", "SETUSER", "role", "reset", "on", ">PASSWORD", ...rules)
  return redis.url.replace("redis://", "redis://role:PASSWORD@")
}

describe.each(roles)("the permissions of %s", (role) => {
  it("the documented ACL has what the role needs, and what any process may do without or needs on a Cluster", () => {
    const beside = [...Permissions.onCluster, ...Permissions.forDatabase, ...Permissions.optional]
    const commands = rulesOf(role).flatMap((rule) => (rule.startsWith("+") ? [rule.slice(1)] : []))
    expect(commands.filter((name) => !beside.includes(name))).toEqual(needs[role])
  })

  it("the role needs what its scripts and modules send, and no more", () => {
    const modules: Readonly<Record<Role, ReadonlyArray<string>>> = {
      authz: [
        "packages/core/src/redis/scripts/keyspace.lua",
        "packages/core/src/redis/scripts/meta.lua",
        "packages/core/src/topic/TopicFollower.ts",
        "packages/core/src/topic/TopicTail.ts",
        "packages/gateway/src/auth/Blacklist.ts",
        "packages/gateway/src/auth/scripts/revoke.lua"
      ],
      "news-api": [...files("packages/news/src/store/scripts/*.lua"), "packages/core/src/redis/scripts/clock.lua"]
    }
    const sent = modules[role].flatMap((path) =>
      [...read(path).matchAll(/\b(?:p?call|send)\(\s*(?:[\w.]+,\s*)?"([A-Z]{3,})"|(?<=\s)"(XREAD)",/g)].map(
        ([, sends, blocks]) => (sends ?? blocks ?? "").toLowerCase()
      )
    )
    // a reader that finds its slot, the scan of all servers; the trial and the probe
    const methods = [...(role === "authz" ? ["exists", "scan"] : []), "del", "eval", "evalsha", "hset", "ping", "xack"]
    expect([...new Set([...sent, ...methods])].toSorted()).toEqual(needs[role])
  })

  it("the role whose user lacks a permission does not start, and names it; with REDIS_CHECK=warn it does", async () => {
    const url = await as("~*", "+@all", "-mget", "-set", "-xclaim")
    await expect(start(role, { ...env, REDIS_URL: url })).rejects.toThrow(
      "the ACL of this user lacks +mget +set (docs/operations"
    )
    const warned = await as(...rulesOf(role), "-xack")
    const serving = await start(role, { ...env, REDIS_URL: warned, REDIS_CHECK: "warn" })
    const [line] = serving.logs.filter(({ msg }) => msg === "redis does not meet the requirements")
    expect(line).toMatchObject({ objections: [expect.stringContaining("lacks +xack (docs")] })
    await serving.stop()
  })
})

it("authz under exactly its ACL learns revocations, stores them again after a loss of data, and is refused nothing", async () => {
  const url = await as(...rulesOf("authz"))
  const operator = await start("gateway", { ...simulatedOnly, ...bySecret, REDIS_URL: redis.url, INTERNAL_SECRET: "s" })
  const revoke = (jti: string) =>
    send(operator.address, "/api/v1/internal/blacklist", {
      method: "POST",
      headers: { "x-internal-secret": "s" },
      body: JSON.stringify({
        jti,
        user_id: "ann",
        expires_at: new Date(inSeconds(600) * 1_000).toISOString(),
        reason: "logout"
      })
    })
  await revoke("before")
  const authz = await start("authz", { ...env, REDIS_URL: url })
  const statusOf = async (jti: string) =>
    (await send(authz.address, "/api/v1/scan", { headers: { authorization: `Bearer ${signed({ jti })}` } })).status
  expect([await statusOf("before"), await statusOf("good")]).toEqual([403, 200])
  await revoke("later")
  await until(
    () => statusOf("later"),
    (status) => status === 403
  )
  await operator.stop()
  await outside.flushall()
  await until(
    () => outside.keys("eco2:blacklist:*"),
    (keys) => keys.length === 2
  )
  expect([await statusOf("before"), await statusOf("later")]).toEqual([403, 403])
  expect(await outside.call("ACL", "LOG")).toEqual([])
  await authz.stop()
})

it("news-api starts while Redis does not answer, as it serves without", async () => {
  const port = await RedisServer.freePort()
  const serving = await start("news-api", { ...env, REDIS_URL: `redis://127.0.0.1:${port}` })
  await serving.stop()
})
