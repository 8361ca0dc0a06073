/** A slot is free once its work has ended in any way. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Layer } from "effect"
import { ActorSystem, Mailbox } from "@eco2/core"
import * as Fleet from "../CoreFixture.ts"

const redis = Fleet.privateRedis()

describe("ActorSystem.work", () => {
  it.live("A5 a delivery that is released before its first step frees its slot", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const worker = yield* Fleet.working(
        redis.url,
        Layer.effectDiscard(
          ActorSystem.use((system) =>
            system.serve({
              mailbox: "notes",
              concurrency: 4,
              timeoutMillis: () => null,
              take: (deliveries) =>
                Effect.forEach(
                  deliveries,
                  (delivery) => {
                    // as a stop does to what has been taken and not begun yet
                    delivery.end("release")
                    return Effect.andThen(system.work(delivery, Effect.never), Deferred.succeed(begun, undefined))
                  },
                  { discard: true }
                )
            })
          )
        )
      )
      yield* worker.run(
        Mailbox.Mailbox.use((service) => service.append("ann", { mailbox: "notes", type: "Note", body: "1" }))
      )
      yield* Deferred.await(begun)
      const mailboxes = yield* worker.run(ActorSystem.use((system) => Effect.sync(() => system.mailboxes())))
      expect(mailboxes).toEqual([{ mailbox: "notes", concurrency: 4, busy: 0 }])
    })
  )
})
