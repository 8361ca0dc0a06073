/**
 * Chart: updates what the Helm chart repeats from other files: the settings of `.env.example` in values.yaml and in
 * values.schema.json, the table of values in the chart's README, and the inhibition rules of deploy/compose/alertmanager.yaml. `npm run chart`; a test fails if it is due.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parse } from "yaml"

const root = fileURLToPath(new URL("../", import.meta.url))
const chart = `${root}deploy/helm/eco2/`
const alertmanager = `${root}deploy/compose/alertmanager.yaml`

export interface Setting {
  readonly name: string
  /** As in `.env.example`, without quotes; empty: none. */
  readonly default: string
  readonly about: string
}

/** Whether it belongs in a Secret, not in a ConfigMap. */
const isSecret = (name: string) =>
  /_(KEY|SECRET|PASSWORD|TOKEN)$/.test(name) || ["DATABASE_URL", "NAVER_CLIENT_ID", "REDIS_URL"].includes(name)
/** Whether the chart sets it: ports and folders. */
const isWired = (name: string) => ["ADMIN_PORT", "ECO2_STATE", "ECO2_URL", "HOST", "PORT"].includes(name)

/** The settings in `.env.example`, in its order. */
export const listed = (): ReadonlyArray<Setting> => {
  const found: Array<Setting> = []
  let about: Array<string> = []
  for (const line of readFileSync(`${root}.env.example`, "utf8").split("\n")) {
    const [, name, value = ""] = /^#?([A-Z][A-Z0-9_]*)=(.*)$/.exec(line) ?? []
    if (name !== undefined) {
      found.push({ name, default: value.replace(/^"(.*)"$/, "$1"), about: about.join(" ") })
      about = []
    } else about = line.startsWith("# ") && !line.startsWith("# ---") ? [...about, line.slice(2)] : []
  }
  return found
}
export const settings = () => listed().filter(({ name }) => !isSecret(name) && !isWired(name))
export const secrets = () => listed().filter(({ name }) => isSecret(name))
export const wired = () => listed().filter(({ name }) => isWired(name))

/** Settings whose value may be the word `off`; the template has the same names. */
const isSwitch = (name: string) => ["MODEL_BREAKER", "USER_RATE"].includes(name)

type Json = string | number | boolean | null | ReadonlyArray<Json> | { readonly [key: string]: Json }

const words: Readonly<Record<string, ReadonlyArray<string>>> = {
  AUTH_MODE: ["jwt", "header"],
  LOG_LEVEL: ["trace", "debug", "info", "warn", "error", "silent"],
  REDIS_CHECK: ["refuse", "warn"]
}

/** A setting's schema, derived from its default; null is the code's own default. */
const schemaOf = ({ default: value, name }: Setting): Json => {
  const allowed = words[name]
  if (allowed !== undefined) return { enum: [...allowed, null] }
  if (name === "KEY_PREFIX") return { type: ["string", "null"], pattern: "^[a-z0-9][a-z0-9._-]{0,31}$" }
  if (/^(true|false)$/.test(value)) return { enum: [true, false, "true", "false", null] }
  if (name.endsWith("_RATE") && value !== "off")
    return { type: ["number", "string", "null"], minimum: 0, maximum: 1, pattern: "^(0(\\.\\d+)?|1(\\.0+)?)$" }
  if (/^\d+$/.test(value)) return { type: ["integer", "string", "null"], minimum: 0, pattern: "^\\d+$" }
  if (/^\d+ (second|minute|hour|day)s?$/.test(value))
    return {
      type: ["integer", "string", "null"],
      minimum: 1,
      pattern: "^\\d+( (millis?|seconds?|minutes?|hours?|days?|weeks?))?$"
    }
  if (/^\d+ MiB$/.test(value))
    return { type: ["integer", "string", "null"], minimum: 1, pattern: "^\\d+(\\.\\d+)?( ?[KMGT]i?B)?$" }
  if (/^https?:/.test(value) || name === "JWKS_URL") return { type: ["string", "null"], pattern: "^https?://[^\\s]+$" }
  // Helm reads a bare off as false
  if (isSwitch(name)) return { anyOf: [{ type: ["string", "null"] }, { const: false }] }
  return { type: ["string", "null"] }
}

const between = (text: string, from: string, to: string, body: string): string => {
  const start = text.indexOf(from)
  const end = text.indexOf(to)
  if (start < 0 || end < start) throw new Error(`no ${from} … ${to}`)
  return `${text.slice(0, start + from.length)}\n${body}${text.slice(text.lastIndexOf("\n", end) + 1)}`
}

const withSettings = (values: string): string =>
  between(
    values,
    "# <settings>",
    "# </settings>",
    settings()
      .map(
        (setting) =>
          `  # -- ${setting.about}${setting.default === "" ? "" : ` Default: \`${setting.default}\`.`}\n  ${setting.name}: ${setting.name === "AUTH_MODE" ? "jwt" : "null"}\n`
      )
      .join("")
  )

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const withProperties = (text: string): string => {
  const schema: unknown = JSON.parse(text)
  if (!isRecord(schema) || !isRecord(schema.$defs)) throw new Error("values.schema.json has no $defs")
  schema.$defs.settings = {
    type: ["object", "null"],
    additionalProperties: false,
    properties: Object.fromEntries(settings().map((setting) => [setting.name, schemaOf(setting)]))
  }
  schema.$defs.secretName = { enum: secrets().map(({ name }) => name) }
  return `${JSON.stringify(schema, null, 2)}\n`
}

/** The values and their `# --` comments. */
export const rows = (
  values: string
): ReadonlyArray<{ readonly path: string; readonly value: unknown; readonly about: string }> => {
  const tree: unknown = parse(values)
  const at = (path: ReadonlyArray<string>) =>
    path.reduce<unknown>((node, key) => (isRecord(node) ? node[key] : undefined), tree)
  const found = []
  const path: Array<string> = []
  let about: string | undefined
  for (const line of values.split("\n")) {
    const [, said] = /^\s*# -- (.*)$/.exec(line) ?? []
    if (said !== undefined) about = said
    const [, indent, key] = /^((?: {2})*)([A-Za-z][\w.-]*):/.exec(line) ?? []
    if (key === undefined || indent === undefined) continue
    path.splice(indent.length / 2, path.length, key)
    if (about !== undefined) found.push({ path: path.join("."), value: at(path), about })
    about = undefined
  }
  return found
}

const shown = (value: unknown): string => {
  if (value === null) return ""
  const text = JSON.stringify(value)
  return text.length > 60 ? "see values.yaml" : `\`${text}\``
}

const withTable = (readme: string, values: string): string =>
  between(
    readme,
    "<!-- values -->",
    "<!-- /values -->",
    `\n| value | default | what |\n| --- | --- | --- |\n${rows(values)
      .map(({ about, path, value }) => `| \`${path}\` | ${shown(value)} | ${about.replaceAll("|", "\\|")} |\n`)
      .join("")}\n`
  )

const withInhibitions = (text: string, inhibitions: string): string => {
  const causes: unknown = parse(inhibitions)
  if (!Array.isArray(causes)) throw new Error("inhibitions.yaml is no list")
  return between(
    text,
    "# <inhibitions>",
    "# </inhibitions>",
    causes
      .map(
        ({ cause, followers }) =>
          `  - source_matchers: ['alertname="${cause}"']\n    target_matchers: ['alertname=~"${followers.join("|")}"']\n    equal: [namespace]\n`
      )
      .join("")
  )
}

/** Each file with its updated content. */
export const written = (): ReadonlyArray<{ readonly file: string; readonly text: string }> => {
  const read = (name: string) => readFileSync(chart + name, "utf8")
  const values = withSettings(read("values.yaml"))
  return [
    { file: `${chart}values.yaml`, text: values },
    { file: `${chart}values.schema.json`, text: withProperties(read("values.schema.json")) },
    { file: `${chart}README.md`, text: withTable(read("README.md"), values) },
    {
      file: alertmanager,
      text: withInhibitions(readFileSync(alertmanager, "utf8"), read("files/inhibitions.yaml"))
    }
  ]
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const { file, text } of written()) writeFileSync(file, text)
