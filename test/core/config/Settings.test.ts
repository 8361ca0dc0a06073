/** A wrong setting stops the process, and says which variable, what was given and what is allowed. */
import { describe, expect, it } from "@effect/vitest"
import { Config, ConfigProvider, Context, Duration, Effect, Layer } from "effect"
import { CoreConfig, Setting } from "@eco2/core"

const settings = (env: Record<string, string>) =>
  Effect.map(Layer.build(CoreConfig.layer), (context) => Context.get(context, CoreConfig)).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(env))
  )
const read = <A>(config: Config.Config<A>, value: string) =>
  Effect.provideService(
    Effect.gen(function* () {
      return yield* config
    }),
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromUnknown({ X: value })
  )

describe("CoreConfig", () => {
  it.effect("a setting has its default when it is unset, and when it is empty or blank", () =>
    Effect.gen(function* () {
      const defaults = yield* settings({})
      expect(defaults).toMatchObject({ partitions: 4, mailboxCapacity: 100_000, clockOffsetMillis: 0 })
      expect([defaults.lease, defaults.jobTtl, defaults.letterTtl].map(Duration.toSeconds)).toEqual([15, 3600, 604_800])
      expect(yield* settings({ PARTITIONS: "", LEASE: " " })).toEqual(defaults)
    })
  )

  it.effect("a setting takes whole numbers, and durations in words or seconds", () =>
    Effect.gen(function* () {
      const given = yield* settings({ PARTITIONS: "16", LEASE: "500 millis", JOB_TTL: "90", JOB_DEADLINE: "2 hours" })
      expect(given.partitions).toBe(16)
      expect([given.lease, given.jobTtl, given.jobDeadline].map(Duration.toMillis)).toEqual([500, 90_000, 7_200_000])
    })
  )

  it.effect("a setting takes sizes in words or bytes", () =>
    Effect.gen(function* () {
      const sizes = yield* Effect.forEach(["", "1 GiB", "1.5 MiB", "2000000"], (size) =>
        settings({ IMAGE_MEMORY: size })
      )
      expect(sizes.map(({ imageMemory }) => imageMemory)).toEqual([134_217_728, 1_073_741_824, 1_572_864, 2_000_000])
    })
  )

  for (const [name, value, allowed] of [
    ["PARTITIONS", "0", "a whole number from 1 to 64"],
    ["PARTITIONS", "65", "a whole number from 1 to 64"],
    ["PARTITIONS", "4.5", "a whole number from 1 to 64"],
    ["PARTITIONS", "four", "a whole number from 1 to 64"],
    ["PARTITIONS", "1e1", "a whole number from 1 to 64"],
    ["MAILBOX_CAPACITY", "-1", "a whole number from 1 to 10000000"],
    ["LEASE", "100 millis", "a duration of at least 300"],
    ["LEASE", "soon", "a duration"],
    ["JOB_TTL", "0", "a duration"],
    ["JOB_TTL", "-5 seconds", "a duration"],
    ["LETTER_TTL", "infinity", "a duration"],
    ["SHUTDOWN_GRACE", "5 parsecs", "a duration"],
    ["IMAGE_MEMORY", "1023 KiB", "a number of bytes of at least 1 MiB"],
    ["IMAGE_MEMORY", "much", "a number of bytes"],
    ["IMAGE_MEMORY", "-1", "a number of bytes"]
  ] as const) {
    it.effect(`${name}=${value} is refused, naming the variable, the value and what is allowed`, () =>
      Effect.gen(function* () {
        const refusal = yield* Effect.flip(settings({ [name]: value }))
        expect(refusal.message).toContain(`${name} is "${value}"; allowed is ${allowed}`)
      })
    )
  }

  it.effect("a flag or choice takes its own words only", () =>
    Effect.gen(function* () {
      const flag = Setting.flag("X", { default: false })
      const word = Setting.oneOf("X", { default: "a", values: ["a", "b"] })
      expect([yield* read(flag, "true"), yield* read(flag, "NO"), yield* read(flag, "")]).toEqual([true, false, false])
      expect([yield* read(word, "b"), yield* read(word, "")]).toEqual(["b", "a"])
      expect((yield* Effect.flip(read(flag, "maybe"))).message).toContain('X is "maybe"; allowed is true or false')
      expect((yield* Effect.flip(read(word, "c"))).message).toContain('X is "c"; allowed is a, b')
    })
  )

  it.effect(
    "a URL is http or https without user and password, and loses its last slashes unless it is a document's",
    () =>
      Effect.gen(function* () {
        const base = Setting.webUrl("X", { default: "https://usual.example" })
        const document = Setting.webUrl("X", { default: "", document: true })
        expect([yield* read(base, ""), yield* read(base, "http://[::1]:8080/v1//")]).toEqual([
          "https://usual.example",
          "http://[::1]:8080/v1"
        ])
        expect(yield* read(document, "https://x.example/keys/")).toBe("https://x.example/keys/")
        for (const wrong of [
          "x.example",
          "ftp://x.example",
          "https://",
          "https://ann@x.example",
          "https://:pw@x.example"
        ]) {
          expect((yield* Effect.flip(read(base, wrong))).message).toContain(
            "an http or https URL without user and password"
          )
        }
      })
  )

  it.effect("no refused setting shows a user, a password or a query", () =>
    Effect.gen(function* () {
      const url = Setting.webUrl("X", { default: "" })
      for (const [value, seen] of [
        ["https://ann:pw-1@x.example/keys", "…@x.example/keys"],
        ["https//ann:pw-1/a?b,c d@x.example", "…@x.example"],
        ["ann:pw-1@x.example", "…@x.example"],
        ["ftp://x.example/feed?key=pw-1", "ftp://x.example/feed?…"],
        ["ftp://x.example/#pw-1", "ftp://x.example/?…"]
      ] as const) {
        const { message } = yield* Effect.flip(read(url, value))
        expect(message).toContain(`X is "${seen}"`)
        expect(message).not.toMatch(/pw-1|ann/)
      }
      const { message } = yield* Effect.flip(read(Setting.flag("X", { default: false }), "redis://:pw-1@x.example"))
      expect(message).toContain('X is "…@x.example"; allowed is true or false')
    })
  )
})
