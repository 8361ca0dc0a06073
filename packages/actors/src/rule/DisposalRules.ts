/**
 * DisposalRules: the rule documents of rules/*.json, read and checked once when the process starts. An invalid document stops
 * the start and names its file and field, so that no scan meets it. domain/Disposal has the schema and the lookup of keys.
 */
import { readdir, readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { CauseText } from "@eco2/core/telemetry"
import { Context, Effect, Layer, Schema, SchemaIssue } from "effect"
import { allRuleKeys, inLanguage, RuleDocument, ruleKeys } from "../domain/Disposal.ts"
import type { DisposalRule } from "../domain/Disposal.ts"
import type { Language } from "../domain/Language.ts"
import type { ClassificationResult } from "../domain/Scan.ts"

/** A rule document is invalid; `field` is a dotted path, "" for the whole file. Nothing was loaded. */
export class DisposalRuleInvalid extends Schema.TaggedError<DisposalRuleInvalid>()("DisposalRuleInvalid", {
  file: Schema.String,
  field: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `disposal rule ${this.file}${this.field === "" ? "" : `, field ${this.field}`}: ${this.reason}`
  }
}

export class DisposalRules extends Context.Service<
  DisposalRules,
  {
    /** The rule for what is on a photo, in a language, or null if there is none. */
    find(seen: Pick<ClassificationResult, "classification" | "situation_tags">, language: Language): DisposalRule | null
  }
>()("@eco2/actors/rule/DisposalRules") {}

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(RuleDocument), { onExcessProperty: "error" })
const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

const firstIssue = (file: string, error: Schema.SchemaError): DisposalRuleInvalid => {
  const issue = issuesOf(error.issue).issues[0]
  const path = issue?.path?.map((part) => String(typeof part === "object" ? part.key : part)) ?? []
  return new DisposalRuleInvalid({ file, field: path.join("."), reason: issue?.message ?? error.message })
}

const unreadable = (file: string) => (cause: unknown) =>
  new DisposalRuleInvalid({ file, field: "", reason: CauseText.of(cause) })

const load = Effect.fn("DisposalRules.load")(function* (directory: URL) {
  const entries = yield* Effect.tryPromise({
    try: () => readdir(directory),
    catch: unreadable(fileURLToPath(directory))
  })
  const rules = new Map<string, RuleDocument>()
  for (const file of entries.filter((entry) => entry.endsWith(".json")).sort()) {
    const text = yield* Effect.tryPromise({
      try: () => readFile(new URL(file, directory), "utf8"),
      catch: unreadable(file)
    })
    const rule = yield* decode(text).pipe(Effect.mapError((error) => firstIssue(file, error)))
    if (!allRuleKeys.has(rule.key))
      return yield* new DisposalRuleInvalid({ file, field: "key", reason: `no classification leads to "${rule.key}"` })
    if (rules.has(rule.key))
      return yield* new DisposalRuleInvalid({ file, field: "key", reason: `"${rule.key}" has a rule already` })
    rules.set(rule.key, rule)
  }
  return rules
})

/** Rules from another folder; `directory` ends in a slash. Fails with DisposalRuleInvalid. */
export const layerFrom = (directory: URL): Layer.Layer<DisposalRules, DisposalRuleInvalid> =>
  Layer.effect(
    DisposalRules,
    Effect.map(load(directory), (rules) =>
      DisposalRules.of({
        find: (seen, language) => {
          for (const key of ruleKeys(seen)) {
            const rule = rules.get(key)
            if (rule !== undefined) return inLanguage(rule, language)
          }
          return null
        }
      })
    )
  )

/** The rules of this package. */
export const layer = layerFrom(new URL("./rules/", import.meta.url))
