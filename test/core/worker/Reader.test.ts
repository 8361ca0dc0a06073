/** Entries that a read brings belong to the consumer name that the read was made with (A1). */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { CoreConfig, Mailbox, Policies } from "@eco2/core"
import { Keys, Keyspace, RedisClient } from "@eco2/core/redis"
import { Workload } from "../../../packages/core/src/worker/Workload.ts"
import * as Reader from "../../../packages/core/src/worker/Reader.ts"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()

describe("Reader", () => {
  it.live.skipIf(Fleet.onCluster)(
    "A1 a reader whose process changed its name hands on nothing that a read under the old name brought, and reads on",
    () =>
      Effect.gen(function* () {
        const client = yield* Fleet.joined(redis.url)
        const append = (body: string) =>
          client.run(Mailbox.Mailbox.use((service) => service.append("ann", { mailbox: "notes", type: "Note", body })))
        yield* client.run(Mailbox.Mailbox.use((service) => service.ensure("notes")))
        const workload = new Workload()
        const taken: Array<string> = []
        workload.servers.set("notes", {
          mailbox: "notes",
          concurrency: 4,
          take: (deliveries) =>
            Effect.sync(() => {
              for (const { consumer, fields } of deliveries) taken.push(`${fields.get("body")} as ${consumer}`)
            })
        })
        let name = "old"
        yield* Effect.scoped(
          Reader.run({
            workload,
            partitions: Keys.partitionTable(4),
            consumer: () => name,
            answered: () => undefined,
            readers: 1,
            index: 0
          })
        ).pipe(
          Effect.provide(
            Mailbox.layer.pipe(
              Layer.provideMerge(Layer.merge(Keyspace.layer, Policies.fixed)),
              Layer.provideMerge(Layer.merge(RedisClient.layerUrl(redis.url), CoreConfig.layerWith({}))),
              Layer.fresh
            )
          ),
          Effect.forkScoped
        )
        yield* Fleet.until(client.send("CLIENT", "LIST"), (list) => String(list).includes("cmd=xreadgroup"))
        name = "new"
        yield* append("1")
        yield* Fleet.until(Fleet.consumersOf(client, "notes"), (held) => held.old === 1)
        yield* append("2")
        yield* Fleet.until(
          Effect.sync(() => taken),
          (all) => all.includes("2 as new")
        )
        expect(taken).toEqual(["2 as new"])
        expect(workload.busy("notes")).toBe(1)
      })
  )
})
