/** Entries that a read brings belong to the consumer name that the read was made with (A1). */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Layer } from "effect"
import { CoreConfig, Mailbox, Policies } from "@eco2/core"
import { Keyspace, RedisClient } from "@eco2/core/redis"
import { Workload } from "../../../packages/core/src/worker/Workload.ts"
import type { Delivery } from "../../../packages/core/src/mailbox/Delivery.ts"
import type { Server } from "../../../packages/core/src/worker/Workload.ts"
import * as Reader from "../../../packages/core/src/worker/Reader.ts"
import * as Fleet from "../CoreFixture.ts"
import { keyNames } from "../../harness/KeyNames.ts"

const redis = Fleet.privateRedis()

/** What a test hears of a reader. */
interface Heard {
  /** A read begins, of so many streams. */
  readonly read: (streams: number) => void
  readonly unblocked: () => void
}

/** `opened`: reads wait for it before they are sent. */
const mailboxes = (opened: Effect.Effect<void>, heard: Heard) => {
  const late = Layer.effect(
    RedisClient.RedisClient,
    RedisClient.RedisClient.use((client) =>
      Effect.succeed(
        RedisClient.RedisClient.of({
          ...client,
          reader: (key) =>
            Effect.map(client.reader(key), (reader) => ({
              ends: Effect.andThen(opened, reader.ends),
              unblock: Effect.andThen(Effect.sync(heard.unblocked), reader.unblock),
              read: (blockMillis, command, ...args) => {
                heard.read((args.length - args.indexOf("STREAMS") - 1) / 2)
                return reader.read(blockMillis, command, ...args)
              }
            }))
        })
      )
    )
  ).pipe(Layer.provide(Layer.suspend(() => RedisClient.layerUrl(redis.url))))
  return Mailbox.layer.pipe(
    Layer.provideMerge(Layer.merge(Keyspace.layer, Policies.fixed)),
    Layer.provideMerge(Layer.merge(late, CoreConfig.layerWith({}))),
    Layer.fresh
  )
}
/** A reader of the mailbox `notes` alone; ends with the scope. */
const reading = Effect.fnUntraced(function* (options: {
  readonly concurrency: number
  readonly consumer: () => string
  readonly take: (workload: Workload) => Server["take"]
  readonly opened?: Effect.Effect<void>
  readonly heard?: Heard
}) {
  const workload = new Workload()
  const { concurrency, consumer } = options
  workload.servers.set("notes", {
    mailbox: "notes",
    concurrency,
    timeoutMillis: () => null,
    take: options.take(workload)
  })
  yield* Effect.scoped(
    Reader.run({
      workload,
      partitions: keyNames.partitions(4),
      consumer,
      answered: () => undefined,
      readers: 1,
      index: 0
    })
  ).pipe(
    Effect.provide(mailboxes(options.opened ?? Effect.void, options.heard ?? { read: () => {}, unblocked: () => {} })),
    Effect.forkScoped
  )
  return workload
})
/** A process that appends notes, all to one partition. */
const writing = Effect.gen(function* () {
  const client = yield* Fleet.joined(redis.url)
  yield* client.run(Mailbox.Mailbox.use((service) => service.ensure("notes")))
  const append = (body: string) =>
    client.run(Mailbox.Mailbox.use((service) => service.append("ann", { mailbox: "notes", type: "Note", body })))
  return { append, client }
})

describe("Reader", () => {
  it.live.skipIf(Fleet.onCluster)(
    "A1 a reader whose process changed its name hands on nothing that a read under the old name brought, and reads on",
    () =>
      Effect.gen(function* () {
        const { append, client } = yield* writing
        const taken: Array<string> = []
        let name = "old"
        const workload = yield* reading({
          concurrency: 4,
          consumer: () => name,
          take: () => (deliveries) =>
            Effect.sync(() => {
              for (const { consumer, fields } of deliveries) taken.push(`${fields.get("body")} as ${consumer}`)
            })
        })
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

  it.live.skipIf(Fleet.onCluster)(
    "a mailbox is crowded after a read that brought all it asked for, until a read of it brings less",
    () =>
      Effect.gen(function* () {
        const { append } = yield* writing
        // twelve slots for four partitions: three entries of each
        yield* Effect.forEach(["1", "2", "3"], append)
        const seen: Array<string> = []
        yield* reading({
          concurrency: 12,
          consumer: () => "reader",
          take: (workload) => (deliveries) =>
            Effect.sync(
              () => void seen.push(`${deliveries.length} ${workload.crowded.has("notes") ? "crowded" : "not crowded"}`)
            )
        })
        const read = Effect.sync(() => seen)
        yield* Fleet.until(read, (all) => all.length === 1)
        yield* append("4")
        yield* Fleet.until(read, (all) => all.length === 2)
        expect(seen).toEqual(["3 crowded", "1 not crowded"])
      })
  )

  it.live.skipIf(Fleet.onCluster)("a read asks for no slot that was taken while its connection was being opened", () =>
    Effect.gen(function* () {
      const { client } = yield* writing
      const [asked, opened] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const workload = yield* reading({
        concurrency: 8,
        consumer: () => "reader",
        take: () => () => Effect.void,
        opened: Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(opened))
      })
      yield* Deferred.await(asked)
      for (let n = 0; n < 3; n++) expect(workload.reserve("notes")).toBe(true)
      yield* Deferred.succeed(opened, undefined)
      yield* Fleet.until(client.send("CLIENT", "LIST"), (list) => String(list).includes("cmd=xreadgroup"))
      // five are left for reads: one for each of four partitions
      expect(workload.free("notes")).toBe(1)
    })
  )

  it.live.skipIf(Fleet.onCluster)("a read of some partitions is ended when a slot for the others is free", () =>
    Effect.gen(function* () {
      const { append } = yield* writing
      const held: Array<Delivery> = []
      const seen: Array<string> = []
      const workload = yield* reading({
        concurrency: 2,
        consumer: () => "reader",
        take: () => (deliveries) => Effect.sync(() => void held.push(...deliveries)),
        heard: {
          unblocked: () => void seen.push("ended"),
          read: (streams) => {
            seen.push(`reads ${streams}`)
            const delivery = held.pop()
            // the read of the one slot that is left is running; now the other is free too
            if (delivery !== undefined) queueMicrotask(() => workload.finish(delivery))
          }
        }
      })
      yield* append("1")
      const order = yield* Fleet.until(
        Effect.sync(() => seen.slice(seen.indexOf("reads 1"))),
        (all) => all.includes("reads 1") && all.includes("reads 2")
      )
      expect(order.slice(0, 2)).toEqual(["reads 1", "ended"])
    })
  )
})
