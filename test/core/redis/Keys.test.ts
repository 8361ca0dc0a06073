/** Where a key lives: the same partition for the same text everywhere, and an even spread over a Cluster's masters. */
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Keys, Keyspace, RedisClient } from "@eco2/core/redis"
import { hashSlot, slots } from "../../../packages/core/src/redis/HashSlot.ts"
import * as Fleet from "../CoreFixture.ts"
import { files, read } from "../../harness/Documents.ts"
import * as KeyTables from "../../harness/KeyTables.ts"
import { keyNames } from "../../harness/KeyNames.ts"

describe("hash slots", () => {
  const cluster = Fleet.privateRedis(
    { args: ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"] },
    { emptied: false }
  )
  it.live("hashSlot computes the same slot as the server", () =>
    Effect.gen(function* () {
      const redis = Context.get(yield* Layer.build(RedisClient.layerUrl(cluster.url)), RedisClient.RedisClient)
      const keys = [
        "a",
        "{a}b",
        "{}a",
        "a{b}{c}",
        "{a",
        "a}b{c}",
        "{{a}}",
        "이코",
        "eco2:{이코}",
        "",
        ...keyNames.partitions(16).flatMap((partition) => [partition.root, partition.mailbox("a"), partition.job("x")]),
        keyNames.alive,
        keyNames.meta
      ]
      for (const key of keys) expect(hashSlot(key)).toBe(yield* redis.send("CLUSTER", "KEYSLOT", key))
    })
  )
})

describe("partitions", () => {
  it("the partition of a given text never changes, so that stored data is found again", () => {
    const of = (text: string) => [4, 5, 16].map((partitions) => Keys.partitionOf(text, partitions))
    expect(
      Object.fromEntries(
        ["", "a", "ann", "이코", "9b2f0f7e-5b7f-4c63-9c52-000000000000"].map((text) => [text, of(text)])
      )
    ).toEqual({
      "": [0, 3, 4],
      a: [0, 0, 8],
      ann: [3, 0, 15],
      이코: [0, 3, 8],
      "9b2f0f7e-5b7f-4c63-9c52-000000000000": [1, 2, 5]
    })
  })

  it("sixteen partitions get about the same number of users each", () => {
    const counts = Array.from({ length: 16 }, () => 0)
    for (let i = 0; i < 16_000; i++) counts[Keys.partitionOf(`user ${i}`, 16)]!++
    expect(Math.min(...counts)).toBeGreaterThan(800)
    expect(Math.max(...counts)).toBeLessThan(1200)
  })

  for (const partitions of [4, 6, 8, 12, 16]) {
    for (const masters of [2, 3, 4]) {
      if (partitions % masters !== 0) continue
      it(`${partitions} partitions spread evenly over ${masters} masters, each in a slot of its own`, () => {
        const all = Keys.tags(partitions).map((tag) => hashSlot(`eco2:{${tag}}:events`))
        const perMaster = Array.from({ length: masters }, () => 0)
        for (const slot of all) perMaster[Math.floor((slot * masters) / slots)]!++
        expect(new Set(perMaster)).toEqual(new Set([partitions / masters]))
        expect(new Set(all).size).toBe(partitions)
      })
    }
  }

  it("all keys of a partition share one slot, and so do the fleet's", () => {
    for (const partition of keyNames.partitions(12)) {
      const keys = [
        partition.root,
        partition.mailbox("a"),
        partition.job("x"),
        partition.jobEvents("x"),
        partition.jobImage("x"),
        partition.upload("x"),
        partition.picture("x"),
        partition.events,
        partition.timers,
        partition.later,
        partition.dead("a"),
        partition.cron("a"),
        partition.crons
      ]
      expect(new Set(keys.map(hashSlot)).size).toBe(1)
    }
    expect(hashSlot(keyNames.alive)).toBe(hashSlot(keyNames.meta))
  })

  it("no source file writes the prefix of keys itself: each takes it from the names of its installation", () => {
    const literal = new RegExp(`["'\`]${Keys.defaultPrefix}:[^ ]`)
    const sources = files("{packages,deploy}/**/*.{ts,lua}").filter((path) => !path.includes("node_modules"))
    expect(sources.length).toBeGreaterThan(200)
    expect(sources.filter((path) => literal.test(read(path)))).toEqual([])
  })

  it("each key is named by one row of the key table, and a foreign key by none", () => {
    const id = "9b2f0f7e-5b7f-4c63-9c52-000000000000"
    for (const partition of keyNames.partitions(16)) {
      for (const [key, name] of [
        [partition.mailbox("scan.vision"), "{p}:mailbox:<actor>"],
        [partition.job(id), "{p}:job:<id>"],
        [partition.jobEvents(id), "{p}:job:<id>:events"],
        [partition.jobImage(id), "{p}:job:<id>:image"],
        [partition.jobCalls(id), "{p}:job:<id>:calls"],
        [partition.jobWatched(id), "{p}:job:<id>:watched"],
        [partition.jobPartial(id), "{p}:job:<id>:partial"],
        [partition.upload(id), "{p}:upload:<uuid>"],
        [partition.picture("0".repeat(32)), "{p}:picture:<id>"],
        [partition.partials, "{p}:partials"],
        [partition.events, "{p}:events"],
        [partition.timers, "{p}:timers"],
        [partition.later, "{p}:later"],
        [partition.dead("scan.vision"), "{p}:dead:<actor>"],
        [partition.cron("nightly"), "{p}:cron:<schedule>"],
        [partition.crons, "{p}:crons"]
      ] as const) {
        expect(KeyTables.table.filter(({ pattern }) => pattern.test(key.slice(keyNames.prefix.length))).length).toBe(1)
        expect(KeyTables.rowOf(key)?.name).toBe(name)
      }
    }
    expect(KeyTables.rowOf("eco2:{0}:job:1")).toBe(undefined)
    expect(KeyTables.rowOf("{0}:events")).toBe(undefined)
  })
})

describe("the keyspace", () => {
  const redis = Fleet.privateRedis()

  it.live("a process with another PARTITIONS than the data's is refused at start, with the setting's name", () =>
    Effect.gen(function* () {
      yield* Fleet.joined(redis.url, { partitions: 4 })
      const refusal = yield* Effect.exit(Fleet.joined(redis.url, { partitions: 8 }))
      expect(JSON.stringify(refusal)).toContain("PARTITIONS")
      const again = yield* Fleet.joined(redis.url, { partitions: 4 })
      expect((yield* again.run(Keyspace)).partitions.length).toBe(4)
    })
  )
})
