/** Done scans kept in Postgres: each once, whatever is repeated or killed; found by their user, page by page; gone with their age. */
import { expect, it } from "@effect/vitest"
import { characters, characterWorker, prepareDatabase } from "@eco2/actors/characters"
import { HistoryActor, KeptScans, OwnershipActor, UserCharacterActor } from "@eco2/actors/protocol"
import { Mailbox } from "@eco2/core"
import { Postgres, PostgresStatement } from "@eco2/core/postgres"
import { ConfigProvider, Duration, Effect, Fiber, Layer, Schedule, Schema } from "effect"
import * as CharacterId from "../../../packages/actors/src/domain/CharacterId.ts"
import * as ErasureStore from "../../../packages/actors/src/history/ErasureStore.ts"
import { keptAnswer } from "../../../packages/actors/src/history/HistoryActor.ts"
import type { KeptScan } from "../../../packages/actors/src/history/HistoryActor.ts"
import * as HistoryStore from "../../../packages/actors/src/history/HistoryStore.ts"
import * as Fleet from "../../core/CoreFixture.ts"
import { onBoth, onServer, postgresLayer, quietly } from "../../core/postgres/PostgresFixture.ts"
import type { Database } from "../../core/postgres/PostgresFixture.ts"
import * as Process from "../../harness/Process.ts"

const redis = Fleet.privateRedis()
const noon = Date.UTC(2026, 0, 1, 12)
const day = 86_400_000

const idOf = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`
const scan = (n: number, changes: Partial<KeptScan> = {}): KeptScan => ({
  jobId: idOf(n),
  userId: "ann",
  created: noon + n,
  ended: noon + n + 5_000,
  language: "ko",
  classification: { major_category: "재활용폐기물", middle_category: "무색페트병", minor_category: null },
  answer: `answer ${n}`,
  character: "페티",
  simulated: false,
  ...changes
})

/** Asks again, a few times a second, until it is as wanted. */
const eventually = <A>(look: Effect.Effect<A>, wanted: (seen: A) => boolean) =>
  Effect.repeat(look, { until: wanted, schedule: Schedule.spaced("100 millis") }).pipe(Effect.timeout("1 minute"))

const savers = ["ownership", "user-character", "history"]
const owned = Postgres.Postgres.use((postgres) =>
  postgres.run(
    PostgresStatement.make({
      name: "test.owned",
      text: `SELECT owned.character_code AS code, shown.code IS NOT NULL AS shown FROM character.character_ownerships owned
        FULL JOIN users.user_characters shown ON shown.user_id = owned.user_id AND shown.code = owned.character_code`,
      row: Schema.Struct({ code: Schema.NullOr(Schema.String), shown: Schema.Boolean })
    })
  )
)

const countStatement = PostgresStatement.make({
  name: "test.kept",
  text: "SELECT count(*)::int AS rows, count(DISTINCT job_id)::int AS scans FROM scan.kept_scans",
  row: Schema.Struct({ rows: Schema.Int, scans: Schema.Int })
})
const counted = (database: Database) =>
  Postgres.Postgres.use((postgres) => postgres.run(countStatement)).pipe(
    Effect.map(([row]) => row?.rows ?? 0),
    Effect.provide(postgresLayer(database)),
    Effect.orDie
  )

/** A transaction that holds the row of a scan, so that whoever saves that scan waits for it. */
const holding = (scanId: string) =>
  Postgres.Postgres.use((postgres) =>
    postgres.script(
      "test.hold",
      `INSERT INTO scan.kept_scans (job_id, user_id, created_at, ended_at, language, major_category, middle_category, user_answer, simulated)
        VALUES ('${scanId}', 'other', now(), now(), 'ko', '', '', '', false); SELECT pg_sleep(50)`
    )
  )
const Backend = Schema.Struct({ pid: Schema.Int })
const sleeping = "FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%scan.kept_scans%'"
const heldStatement = PostgresStatement.make({
  name: "test.held",
  text: `SELECT pid ${sleeping}`,
  row: Backend
})
const waitingStatement = PostgresStatement.make({
  name: "test.waiting",
  text: "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%scan.kept_scans%'",
  row: Backend
})
const releaseStatement = PostgresStatement.make({
  name: "test.release",
  text: `SELECT pid, pg_terminate_backend(pid) AS ended ${sleeping}`,
  row: Backend
})

onBoth("kept scans", (database) => {
  const provided = <A, E>(effect: Effect.Effect<A, E, Postgres.Postgres | KeptScans.KeptScans>) =>
    Effect.andThen(prepareDatabase, effect).pipe(
      Effect.provide(Layer.provideMerge(characters, postgresLayer(database()))),
      quietly
    )
  const pageOf = (userId: string, options: Partial<Parameters<KeptScans.KeptScans["Service"]["page"]>[1]> = {}) =>
    KeptScans.KeptScans.use((kept) => kept.page(userId, { after: null, without: [], limit: 10, ...options }))

  it.live(
    "kept scans are read the newest first behind a place, none twice, without those named and without others'",
    () =>
      Effect.gen(function* () {
        // the last two of one millisecond
        yield* HistoryStore.save([
          scan(1),
          scan(2),
          scan(3),
          scan(4, { created: noon + 3 }),
          scan(5, { userId: "bob" })
        ])
        const first = yield* pageOf("ann", { limit: 2 })
        expect(first.map(({ job_id }) => job_id)).toEqual([idOf(4), idOf(3)])
        const { created_at, job_id } = first[1]!
        const rest = yield* pageOf("ann", { after: { createdAt: created_at, id: job_id }, without: [idOf(2)] })
        expect(rest).toEqual([
          {
            job_id: idOf(1),
            created_at: "2026-01-01T12:00:00.001Z",
            ended_at: "2026-01-01T12:00:05.001Z",
            language: "ko",
            major_category: "재활용폐기물",
            middle_category: "무색페트병",
            minor_category: null,
            user_answer: "answer 1",
            character: "페티",
            simulated: false
          }
        ])
        const some = yield* KeptScans.KeptScans.use((kept) => kept.some("ann", [idOf(2), idOf(5), idOf(9)]))
        expect(some.map(({ job_id: id }) => id)).toEqual([idOf(2)])
      }).pipe(provided)
  )

  it.live("a scan that is saved again, also twice in one batch, is stored as it was the first time", () =>
    Effect.gen(function* () {
      expect(yield* HistoryStore.save([scan(1), scan(1, { answer: "another" })])).toHaveLength(1)
      expect(yield* HistoryStore.save([scan(1, { answer: "a third" })])).toEqual([])
      expect(yield* pageOf("ann")).toHaveLength(1)
    }).pipe(provided)
  )

  it.live("an answer that has NUL, or is cut in the middle of an emoji, is stored without what no text is", () =>
    Effect.gen(function* () {
      const answer = keptAnswer(`\0${"가".repeat(3_999)}🧴🧴`)
      expect(yield* HistoryStore.save([scan(1, { answer })])).toHaveLength(1)
      expect(yield* pageOf("ann")).toMatchObject([{ user_answer: `${"가".repeat(3_999)}\uFFFD` }])
    }).pipe(provided)
  )

  it.live("scans older than a time are removed in bounded steps, the others stay", () =>
    Effect.gen(function* () {
      yield* HistoryStore.save(Array.from({ length: 25 }, (_, n) => scan(n)))
      const before = noon + 20
      expect([yield* HistoryStore.forget(before, 15), yield* HistoryStore.forget(before, 15)]).toEqual([15, 5])
      expect(yield* HistoryStore.forget(before, 15)).toBe(0)
      expect(yield* pageOf("ann")).toHaveLength(5)
    }).pipe(provided)
  )
})

onServer("the saver of scans", (database) => {
  const prepare = Effect.suspend(() => Effect.provide(prepareDatabase, postgresLayer(database())))
  const saving = (env: Readonly<Record<string, string>> = {}) =>
    Fleet.working(
      redis.url,
      characterWorker.pipe(
        Layer.provide(postgresLayer(database())),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
      ),
      { shutdownGrace: Duration.seconds(30) }
    )

  it.live(
    "a saver killed with kill -9 in its work loses no scan and stores none twice: another takes its messages over",
    () =>
      Effect.gen(function* () {
        yield* prepare
        const sender = yield* Fleet.joined(redis.url)
        const scans = Array.from({ length: 400 }, (_, n) => scan(n))
        yield* Effect.forEach(
          [...scans, ...scans.slice(0, 60)],
          (one) => sender.run(HistoryActor.tell(one.jobId, "KeepScan", one)),
          { concurrency: 50, discard: true }
        )
        const env = { REDIS_URL: redis.url, DATABASE_URL: database().url, LEASE: "1 second" }
        const ask = (statement: typeof heldStatement) =>
          Postgres.Postgres.use((postgres) => postgres.run(statement)).pipe(
            Effect.provide(postgresLayer(database())),
            Effect.orDie
          )
        const held = yield* Effect.forkScoped(
          Effect.exit(Effect.provide(holding(idOf(399)), postgresLayer(database())))
        )
        yield* eventually(ask(heldStatement), (found) => found.length === 1)
        const first = yield* Effect.promise(() => Process.start("character-worker", env))
        // it waits within a statement; PostgreSQL completes it after the kill: rows whose messages nobody has acknowledged
        yield* eventually(ask(waitingStatement), (found) => found.length === 1)
        yield* Effect.promise(() => first.kill9())
        yield* ask(releaseStatement)
        yield* Fiber.await(held)
        expect(yield* sender.run(Fleet.depthOf("history"))).toBeGreaterThan(0)
        const second = yield* Effect.acquireRelease(
          Effect.promise(() => Process.start("character-worker", env)),
          (process) => Effect.promise(() => process.kill9())
        )
        yield* eventually(counted(database()), (rows) => rows === 400)
        // the repeats are acknowledged too
        yield* eventually(sender.run(Fleet.depthOf("history")), (depth) => depth === 0)
        expect(yield* counted(database())).toBe(400)
        expect(yield* Fleet.lettersOf(sender, "history")).toEqual([])
        yield* Effect.promise(() => second.stop())
      }).pipe(quietly),
    180_000
  )

  it.live(
    "a scan and a character that are saved after their user's data was erased are removed again, later ones stay",
    () =>
      Effect.gen(function* () {
        yield* prepare
        const onDatabase = Effect.provide(postgresLayer(database()))
        yield* HistoryStore.save([scan(1), scan(2, { userId: "bob" })]).pipe(onDatabase)
        expect(yield* ErasureStore.erase("ann", noon + 10).pipe(onDatabase)).toMatchObject({ scans: 1, characters: 0 })
        expect(yield* ErasureStore.erase("ann", noon).pipe(onDatabase)).toMatchObject({ scans: 0, characters: 0 })
        /** Each saver alone, because each removes what the others have stored too. Stopping handles at once what a batch waits for. */
        const saved = Effect.fnUntraced(function* (tell: Effect.Effect<unknown, unknown, Mailbox.Mailbox>) {
          const process = yield* saving()
          yield* process.run(Effect.orDie(tell))
          yield* eventually(
            process.run(Mailbox.Mailbox.use((mailbox) => Effect.orDie(mailbox.depths(savers)))),
            (all) => all.every(({ entries, leased }) => entries === leased)
          )
          yield* process.stop
        })
        const earned = (acquired: number, code: string) => ({
          userId: "ann",
          characterId: CharacterId.ofCharacter(code),
          code,
          source: "scan",
          acquired
        })
        const rewards = [earned(noon + 9, "char-petty"), earned(noon + 11, "char-bini")]
        const shown = { name: "페티", type: "t", dialog: "d" }
        yield* saved(Effect.forEach(rewards, (one) => OwnershipActor.tell("ann", "SaveOwnership", one)))
        expect(yield* owned.pipe(onDatabase)).toEqual([{ code: "char-bini", shown: false }])
        yield* saved(
          Effect.forEach(rewards, (one) => UserCharacterActor.tell("ann", "SaveUserCharacter", { ...one, ...shown }))
        )
        expect(yield* owned.pipe(onDatabase)).toEqual([{ code: "char-bini", shown: true }])
        yield* saved(Effect.forEach([3, 10, 11], (n) => HistoryActor.tell("ann", "KeepScan", scan(n))))
        const left = yield* HistoryStore.page("ann", { after: null, without: [], limit: 10 }).pipe(onDatabase)
        expect(left.map(({ job_id }) => job_id)).toEqual([idOf(11)])
        expect(yield* HistoryStore.page("bob", { after: null, without: [], limit: 10 }).pipe(onDatabase)).toHaveLength(
          1
        )
      }).pipe(quietly)
  )

  it.live.each([
    ["the default", {}, 1],
    ["a shorter SCAN_RETENTION", { SCAN_RETENTION: "10 days" }, 0],
    ["SCAN_RETENTION=off", { SCAN_RETENTION: "off" }, 0]
  ] as const)("%s: a scan of 80 days ago stays or is removed, one of 100 days ago is removed", ([, env, left]) =>
    Effect.gen(function* () {
      yield* prepare
      yield* Effect.provide(
        HistoryStore.save([scan(1, { created: noon - 100 * day }), scan(2, { created: noon - 80 * day })]),
        postgresLayer(database())
      )
      const process = yield* saving(env)
      yield* process.run(HistoryActor.tell("sweep", "ForgetScans", { at: noon }))
      yield* eventually(counted(database()), (rows) => rows === left)
      yield* process.stop
    }).pipe(quietly)
  )
})
