/** The rule documents of the package, and how an invalid one stops the start. */
import { readFileSync } from "node:fs"
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { describe, expect, it, layer as withLayer } from "@effect/vitest"
import { Effect } from "effect"
import {
  majorCategories,
  middleCategories,
  minorItems,
  RECYCLABLE,
  UNCLASSIFIED
} from "../../../packages/actors/src/domain/Waste.ts"
import type { MinorGroup } from "../../../packages/actors/src/domain/Waste.ts"
import { DisposalRules, layer, layerFrom } from "../../../packages/actors/src/rule/DisposalRules.ts"

const shipped = new URL("../../../packages/actors/src/rule/rules/", import.meta.url)

const classification = (major: string, middle = "") => ({
  major_category: major,
  middle_category: middle,
  minor_category: null
})

/** Every group that has a rule, with a classification that leads to it. */
const groups: ReadonlyArray<[group: MinorGroup, ReturnType<typeof classification>]> = [
  ...middleCategories.map((middle): [MinorGroup, ReturnType<typeof classification>] => [
    middle,
    classification(RECYCLABLE, middle)
  ]),
  ...majorCategories.flatMap((major): Array<[MinorGroup, ReturnType<typeof classification>]> =>
    major === RECYCLABLE || major === UNCLASSIFIED ? [] : [[major, classification(major)]]
  )
]

withLayer(layer)("the shipped rules", (it) => {
  it.effect("the shipped rules are 18 documents with ASCII names, one for each middle and each other major", () =>
    Effect.gen(function* () {
      const rules = yield* DisposalRules
      const keys = groups.map(([, asked]) => rules.find(asked)?.key)
      expect(keys).not.toContain(undefined)
      expect(new Set(keys).size).toBe(18)
      const files = yield* Effect.promise(() => readdir(shipped))
      expect(files.length).toBe(18)
      for (const file of files) expect(file).toMatch(/^[a-z-]+\.json$/)
    })
  )

  it.effect.each(groups)("the rule of %s is complete", ([group, asked]) =>
    Effect.gen(function* () {
      const rule = (yield* DisposalRules).find(asked)
      if (rule === null) return expect.fail("no rule")
      expect(rule.name).toBe(group)
      expect(rule.category).toBe(asked.major_category)
      expect(rule.key).toBe(asked.middle_category === "" ? rule.category : `${rule.category}_${rule.name}`)
      expect(rule.description.length).toBeGreaterThanOrEqual(1)
      expect(rule.common_steps.length).toBeGreaterThanOrEqual(3)
      expect(Object.keys(rule.detailed_steps).length).toBeGreaterThanOrEqual(2)
      for (const steps of Object.values(rule.detailed_steps)) expect(steps).not.toEqual([])
      expect(Object.keys(rule.not_accepted).length).toBeGreaterThanOrEqual(3)
      expect(rule.icons).not.toEqual([])
      expect(rule.source).toContain("환경부")
    })
  )

  it.effect.each(groups)("the rule of %s covers the taxonomy's items, each in one sub-group", ([group, asked]) =>
    Effect.gen(function* () {
      const rule = (yield* DisposalRules).find(asked)
      expect(rule?.items).toEqual(minorItems[group])
      expect(Object.values(rule?.sub_items ?? {}).flat()).toEqual(rule?.items)
    })
  )

  it.effect("a rule is found by names in NFD and with odd spaces", () =>
    Effect.gen(function* () {
      const rules = yield* DisposalRules
      expect(rules.find(classification(" 재활용 폐기물", "무색 페트병\u00A0".normalize("NFD")))?.name).toBe(
        "무색페트병"
      )
      expect(rules.find(classification("생활계 유해\u200B폐기물".normalize("NFD")))?.name).toBe("생활계유해폐기물")
    })
  )

  it.effect("there is no rule for 미분류, an unknown major, or a recyclable without a known middle", () =>
    Effect.gen(function* () {
      const rules = yield* DisposalRules
      for (const asked of [
        classification(UNCLASSIFIED),
        classification("없는 분류", "종이"),
        classification(RECYCLABLE),
        classification(RECYCLABLE, "없는 분류")
      ])
        expect(rules.find(asked)).toBeNull()
    })
  )
})

describe("broken rule documents", () => {
  const startWith = (files: Record<string, string>) =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "eco2-rules-"))),
        (path) => Effect.promise(() => rm(path, { recursive: true }))
      )
      for (const [name, text] of Object.entries(files)) yield* Effect.promise(() => writeFile(join(folder, name), text))
      return yield* Effect.flip(DisposalRules.pipe(Effect.provide(layerFrom(pathToFileURL(`${folder}/`)))))
    })

  const paper = readFileSync(new URL("paper.json", shipped), "utf8")
  const fields: Record<string, unknown> = JSON.parse(paper)
  const withField = (field: string, value: unknown) => JSON.stringify({ ...fields, [field]: value })

  const broken: ReadonlyArray<readonly [what: string, text: string, field: string]> = [
    ["a field of the wrong type", withField("common_steps", "비운다"), "common_steps"],
    ["an empty text deep inside", withField("detailed_steps", { 골판지: ["접는다", ""] }), "detailed_steps.골판지.1"],
    ["a missing field", withField("source", undefined), "source"],
    ["an unknown icon", withField("icons", ["empty", "rocket"]), "icons.1"],
    ["an unknown field", withField("sources", "환경부"), "sources"],
    ["a key no classification leads to", withField("key", "재활용폐기물_고무류"), "key"],
    ["text that is not JSON", paper.slice(1), ""]
  ]

  it.effect.each(broken)("a rule document with %s stops the start and is named with the field", ([, text, field]) =>
    Effect.gen(function* () {
      const error = yield* startWith({ "a-good.json": paper.replaceAll("_종이", "_종이팩"), "broken.json": text })
      expect(error).toMatchObject({ _tag: "DisposalRuleInvalid", file: "broken.json", field })
      expect(error.message).toContain("disposal rule broken.json")
      expect(error.reason).not.toBe("")
    })
  )

  it.effect("the second of two rule documents with one key is refused", () =>
    Effect.gen(function* () {
      const error = yield* startWith({ "a.json": paper, "b.json": paper })
      expect(error).toMatchObject({ file: "b.json", field: "key" })
    })
  )

  it.effect("a missing folder of rules is named by the error", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        DisposalRules.pipe(Effect.provide(layerFrom(new URL("no-such-folder/", shipped))))
      )
      expect(error.file).toContain("no-such-folder")
    })
  )
})
