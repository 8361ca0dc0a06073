/** The rule documents of the package, and how an invalid one stops the start. */
import { readdirSync, readFileSync } from "node:fs"
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { describe, expect, it, layer as withLayer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { allRuleKeys, RuleDocument } from "../../../packages/actors/src/domain/Disposal.ts"
import {
  displayName,
  majorCategories,
  middleCategories,
  minorGroupOf,
  minorItems,
  RECYCLABLE,
  UNCLASSIFIED
} from "../../../packages/actors/src/domain/Waste.ts"
import type { MinorGroup } from "../../../packages/actors/src/domain/Waste.ts"
import { DisposalRules, layer, layerFrom } from "../../../packages/actors/src/rule/DisposalRules.ts"

const shipped = new URL("../../../packages/actors/src/rule/rules/", import.meta.url)

const seen = (major: string, middle = "", minor: string | null = null, tags: ReadonlyArray<string> = []) => ({
  classification: { major_category: major, middle_category: middle, minor_category: minor },
  situation_tags: tags
})
type Seen = ReturnType<typeof seen>

/** The documents as they are stored. */
const documents = readdirSync(shipped).map((file) =>
  Schema.decodeUnknownSync(Schema.fromJsonString(RuleDocument))(readFileSync(new URL(file, shipped), "utf8"))
)

/** Every group that has a rule, with a classification that leads to it. */
const groups: ReadonlyArray<[group: MinorGroup, Seen]> = [
  ...middleCategories.map((middle): [MinorGroup, Seen] => [middle, seen(RECYCLABLE, middle)]),
  ...majorCategories.flatMap((major): Array<[MinorGroup, Seen]> =>
    major === RECYCLABLE || major === UNCLASSIFIED ? [] : [[major, seen(major)]]
  )
]

withLayer(layer)("the shipped rules", (it) => {
  it.effect("the shipped rules are one document for each key that a classification can lead to", () =>
    Effect.gen(function* () {
      const files = yield* Effect.promise(() => readdir(shipped))
      expect(documents.map(({ key }) => key).toSorted()).toEqual([...allRuleKeys].toSorted())
      for (const file of files) expect(file).toMatch(/^[a-z-]+\.json$/)
      const rules = yield* DisposalRules
      const keys = groups.map(([, asked]) => rules.find(asked, "ko")?.key)
      expect(keys).not.toContain(undefined)
      expect(new Set(keys).size).toBe(18)
    })
  )

  it.effect.each(documents.map((document) => [document.key, document] as const))(
    "the document %s is complete, and says the same in both languages",
    ([, { date, en, icons, key, ko }]) =>
      Effect.sync(() => {
        expect(ko.name === ko.category ? ko.category : `${ko.category}_${ko.name}`).toBe(key)
        expect(en.category).toBe(displayName(ko.category, "en"))
        expect(ko.items.map((item) => displayName(item, "en").toLowerCase())).toEqual(
          en.items.map((item) => item.toLowerCase())
        )
        const shape = (rule: typeof ko) => ({
          description: rule.description.length,
          sub_items: Object.values(rule.sub_items).map(({ length }) => length),
          common_steps: rule.common_steps.length,
          detailed_steps: Object.values(rule.detailed_steps).map(({ length }) => length),
          not_accepted: Object.keys(rule.not_accepted).length
        })
        expect(shape(en)).toEqual(shape(ko))
        expect(
          JSON.stringify({ ...en, source: "" })
            .replace("폐의약품", "")
            .replace("비닐류", "")
        ).not.toMatch(/[가-힣]/)
        for (const rule of [ko, en]) {
          expect(rule.description.length).toBeGreaterThanOrEqual(1)
          expect(rule.common_steps.length).toBeGreaterThanOrEqual(3)
          for (const steps of Object.values(rule.detailed_steps)) expect(steps).not.toEqual([])
          expect(Object.keys(rule.not_accepted).length).toBeGreaterThanOrEqual(3)
        }
        expect(icons).not.toEqual([])
        // the site the texts were compared with; the ministry as it is named now, and as it was when it published
        expect(date).toBe("2025-09-06")
        expect(ko.source).toMatch(/당시 환경부|폐가전/)
        expect(ko.source).toMatch(/2025년 10월부터 기후에너지환경부/)
        expect(en.source).toMatch(/since October 2025 the Ministry of Climate, Energy and Environment/)
      })
  )

  it.effect.each(groups)("the rule of %s covers the taxonomy's items, each in one sub-group", ([group, asked]) =>
    Effect.gen(function* () {
      const rule = (yield* DisposalRules).find(asked, "ko")
      expect(rule?.name).toBe(group)
      expect(rule?.items).toEqual(minorItems[group])
      expect(Object.values(rule?.sub_items ?? {}).flat()).toEqual(rule?.items)
    })
  )

  it.effect("a special rule covers the items that lead to it", () =>
    Effect.gen(function* () {
      const rules = yield* DisposalRules
      const base = new Set(groups.map(([, asked]) => rules.find(asked, "ko")?.key))
      const special = documents.filter(({ key, ko }) => !base.has(key) && key !== RECYCLABLE && ko.items.length > 0)
      expect(special.length).toBe(8)
      for (const { key, ko } of special)
        for (const item of ko.items) {
          const group = minorGroupOf(item)
          const [major, middle] = middleCategories.some((known) => known === group) ? [RECYCLABLE, group] : [group, ""]
          expect([item, rules.find(seen(major ?? "", middle ?? "", item), "ko")?.key]).toEqual([item, key])
        }
    })
  )

  it.effect("a rule is found by names in NFD and with odd spaces, and has the language asked for", () =>
    Effect.gen(function* () {
      const rules = yield* DisposalRules
      const bottle = seen(" 재활용 폐기물", "무색 페트병\u00A0".normalize("NFD"))
      expect(rules.find(bottle, "ko")).toMatchObject({ key: "재활용폐기물_무색페트병", name: "무색페트병" })
      expect(rules.find(bottle, "en")).toMatchObject({ key: "재활용폐기물_무색페트병", name: "Clear PET bottles" })
      expect(rules.find(seen("생활계 유해\u200B폐기물".normalize("NFD")), "ko")?.name).toBe("생활계유해폐기물")
    })
  )

  it.effect(
    "there is no rule for 미분류 or an unknown major, and a general one for a recyclable without a known middle",
    () =>
      Effect.gen(function* () {
        const rules = yield* DisposalRules
        for (const asked of [seen(UNCLASSIFIED), seen("없는 분류", "종이")]) expect(rules.find(asked, "ko")).toBeNull()
        for (const asked of [seen(RECYCLABLE), seen(RECYCLABLE, "없는 분류")])
          expect(rules.find(asked, "ko")?.key).toBe(RECYCLABLE)
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
  const withText = (field: string, value: unknown) => withField("ko", { ...Object(fields["ko"]), [field]: value })

  const broken: ReadonlyArray<readonly [what: string, text: string, field: string]> = [
    ["a field of the wrong type", withText("common_steps", "비운다"), "ko.common_steps"],
    ["an empty text deep inside", withText("detailed_steps", { 골판지: ["접는다", ""] }), "ko.detailed_steps.골판지.1"],
    ["a missing field", withText("source", undefined), "ko.source"],
    ["a missing language", withField("en", undefined), "en"],
    ["a date that is none", withField("date", "지난해"), "date"],
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
