/** The reward stage with its neighbours: it asks for the character, and sends to both savers or to none (J3). */
import { afterEach, describe, expect, it } from "vitest"
import { Behavior } from "@eco2/core"
import { Effect, Layer, Schema } from "effect"
import { CharacterActor, DecideReward } from "../../../packages/actors/src/character/CharacterActor.ts"
import { KeptScan } from "../../../packages/actors/src/history/HistoryActor.ts"
import { Ownership, UserCharacter } from "../../../packages/actors/src/character/RewardStore.ts"
import * as CharacterId from "../../../packages/actors/src/domain/CharacterId.ts"
import { usualAnswer, usualClassification } from "../../harness/FakeModelServer.ts"
import { scanFixture } from "./ScanFixture.ts"

const fixture = scanFixture()
const workers: Array<{ readonly stop: () => Promise<void> }> = []
const work = async (...options: Parameters<typeof fixture.work>) => {
  workers.push(await fixture.work(...options))
}
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop()))
  await fixture.send("FLUSHALL")
})

const Texts = Schema.Array(Schema.String)
const Entries = Schema.Array(Schema.Tuple([Schema.String, Texts]))
/** The messages sent to an actor that no process runs. */
const toldTo = async (actor: string) => {
  const keys = Schema.decodeUnknownSync(Texts)(await fixture.send("KEYS", `*:mailbox:${actor}`))
  const streams = await Promise.all(keys.map((key) => fixture.send("XRANGE", key, "-", "+")))
  return streams.flatMap((reply) =>
    Schema.decodeUnknownSync(Entries)(reply).map(([, fields]): unknown =>
      JSON.parse(fields[fields.indexOf("body") + 1] ?? "")
    )
  )
}

/** Asks again until the answer is as wanted; the test's own limit ends it. */
const eventually = async <A>(look: () => Promise<A>, wanted: (found: A) => boolean): Promise<A> => {
  for (;;) {
    const found = await look()
    if (wanted(found)) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

describe("a reward", () => {
  it("J3 a reward is told to both savers once, with the stage's commit and what the user is shown", async () => {
    await work()
    const since = Date.now()
    const id = await fixture.submit()
    const { reward } = await fixture.finished(id)
    const [ownership, ...noMore] = (await toldTo("ownership")).map((told) => Schema.decodeUnknownSync(Ownership)(told))
    const [shown, ...norMore] = (await toldTo("user-character")).map((told) =>
      Schema.decodeUnknownSync(UserCharacter)(told)
    )
    expect([noMore, norMore]).toEqual([[], []])
    expect(ownership).toEqual({
      userId: "ann",
      characterId: CharacterId.ofCharacter("char-petty"),
      code: "char-petty",
      source: "scan",
      acquired: expect.any(Number),
      scanId: id
    })
    expect(ownership!.acquired).toBeGreaterThanOrEqual(since)
    expect(shown).toEqual({ ...ownership, name: reward?.name, type: reward?.type, dialog: reward?.dialog })
  })

  it("J3 a done scan is told once to be kept, with the last commit: when, what, the answer and the character", async () => {
    await work()
    const id = await fixture.submit()
    const result = await fixture.finished(id)
    const [kept, ...noMore] = (await toldTo("history")).map((told) => Schema.decodeUnknownSync(KeptScan)(told))
    expect(noMore).toEqual([])
    expect(kept).toEqual({
      jobId: id,
      userId: "ann",
      created: Date.parse(String(result.metadata.created_at)),
      ended: expect.any(Number),
      language: "ko",
      classification: result.pipeline_result?.classification_result?.classification,
      answer: result.pipeline_result?.final_answer?.user_answer,
      character: "페티",
      simulated: false
    })
  })

  it("a scan is not told to be kept with SCAN_RETENTION=off", async () => {
    await work({ SCAN_RETENTION: "off" })
    await fixture.finished(await fixture.submit())
    expect(await toldTo("ownership")).toHaveLength(1)
    expect(await toldTo("history")).toEqual([])
  })

  it("a scan without a reward tells the savers nothing", async () => {
    fixture.models().setReply("vision", usualClassification)
    fixture.models().setReply("answer", { ...usualAnswer, insufficiencies: ["내용물 확인 필요"] })
    await work()
    expect((await fixture.finished(await fixture.submit())).reward).toBeNull()
    expect([await toldTo("ownership"), await toldTo("user-character")]).toEqual([[], []])
    // it is kept all the same
    expect(await toldTo("history")).toMatchObject([{ userId: "ann", character: null }])
  })

  it("a reward whose ask fails is decided later: the scan completes and says so, and the savers are told nothing yet", async () => {
    const broken = Behavior.layer(
      CharacterActor,
      Effect.succeed({
        MatchCharacter: () => Effect.die(new Error("the catalogue is on fire")),
        DecideReward: () => Effect.never
      })
    )
    await work({}, { characters: broken })
    const result = await fixture.finished(await fixture.submit())
    expect(result).toMatchObject({ status: "completed", reward: null, error: null, metadata: { reward_pending: true } })
    expect([await toldTo("ownership"), await toldTo("user-character")]).toEqual([[], []])
  })

  it(
    "J3 a reward with no answer within ten seconds is decided when the role is there again: once, and as it was earned",
    { timeout: 60_000 },
    async () => {
      await work({}, { characters: Layer.empty })
      const since = Date.now()
      const id = await fixture.submit()
      const result = await fixture.finished(id, "20 seconds")
      expect(result).toMatchObject({
        status: "completed",
        reward: null,
        error: null,
        metadata: { reward_pending: true }
      })
      // the question is withdrawn, the decision waits
      const [decision, ...noMore] = (await toldTo("character")).map((told) =>
        Schema.decodeUnknownSync(DecideReward)(told)
      )
      expect(noMore).toEqual([])
      expect(decision).toEqual({
        middle: "무색페트병",
        minor: "생수병",
        userId: "ann",
        acquired: expect.any(Number),
        scanId: id
      })
      expect(decision!.acquired).toBeGreaterThanOrEqual(since)
      await Promise.all(workers.splice(0).map((worker) => worker.stop()))
      await work()
      const told = await eventually(
        () => toldTo("user-character"),
        (all) => all.length === 1
      )
      const [ownership] = (await toldTo("ownership")).map((one) => Schema.decodeUnknownSync(Ownership)(one))
      const shown = Schema.decodeUnknownSync(UserCharacter)(told[0])
      expect(ownership).toEqual({
        userId: "ann",
        characterId: CharacterId.ofCharacter("char-petty"),
        code: "char-petty",
        source: "scan",
        acquired: decision!.acquired,
        scanId: id
      })
      expect(shown).toMatchObject({ ...ownership, name: "페티" })
      expect(await toldTo("character")).toEqual([])
    }
  )

  it("a scan that earns nothing, and one whose reward is there, say nothing of a reward to come", async () => {
    await work()
    expect((await fixture.finished(await fixture.submit())).metadata).not.toHaveProperty("reward_pending")
    fixture.models().setReply("answer", { ...usualAnswer, insufficiencies: ["내용물 확인 필요"] })
    expect((await fixture.finished(await fixture.submit())).metadata).not.toHaveProperty("reward_pending")
  })
})
