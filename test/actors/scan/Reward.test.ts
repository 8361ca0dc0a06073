/** The reward stage with its neighbours: it asks for the character, and sends to both savers or to none (J3). */
import { afterEach, describe, expect, it } from "vitest"
import { Behavior } from "@eco2/core"
import { Effect, Layer, Schema } from "effect"
import { CharacterActor } from "../../../packages/actors/src/character/CharacterActor.ts"
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

describe("a reward", () => {
  it("J3 a reward is told to both savers once, with the stage's commit and what the user is shown", async () => {
    await work()
    const since = Date.now()
    const { reward } = await fixture.finished(await fixture.submit())
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
      acquired: expect.any(Number)
    })
    expect(ownership!.acquired).toBeGreaterThanOrEqual(since)
    expect(shown).toEqual({ ...ownership, name: reward?.name, type: reward?.type, dialog: reward?.dialog })
  })

  it("a scan without a reward tells the savers nothing", async () => {
    fixture.models().setReply("vision", usualClassification)
    fixture.models().setReply("answer", { ...usualAnswer, insufficiencies: ["내용물 확인 필요"] })
    await work()
    expect((await fixture.finished(await fixture.submit())).reward).toBeNull()
    expect([await toldTo("ownership"), await toldTo("user-character")]).toEqual([[], []])
  })

  it("a reward whose ask fails is null: the scan completes, and the savers are told nothing", async () => {
    const broken = Behavior.layer(
      CharacterActor,
      Effect.succeed({ MatchCharacter: () => Effect.die(new Error("the catalogue is on fire")) })
    )
    await work({}, { characters: broken })
    const result = await fixture.finished(await fixture.submit())
    expect(result).toMatchObject({ status: "completed", reward: null, error: null })
    expect([await toldTo("ownership"), await toldTo("user-character")]).toEqual([[], []])
  })

  it("a reward with no answer within ten seconds is null, and the scan completes", { timeout: 40_000 }, async () => {
    await work({}, { characters: Layer.empty })
    const result = await fixture.finished(await fixture.submit(), "20 seconds")
    expect(result).toMatchObject({ status: "completed", reward: null, error: null })
    expect(await toldTo("character")).toEqual([])
  })
})
