/**
 * Chart: renders the chart with helm. Without helm (scripts/prerequisites.ts reports it) the tests that need it are skipped; on a
 * build machine they fail.
 */
import { execFile } from "node:child_process"
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { parse, parseAllDocuments, stringify } from "yaml"
import * as Helm from "../../scripts/helm.ts"

export const root = fileURLToPath(new URL("../../", import.meta.url))
export const folder = `${root}deploy/helm/eco2`

const program = Helm.find()
export const missing = program === undefined && !process.env.CI
if (missing) console.error("eco2: no helm: the tests of the Helm chart are skipped; `node scripts/helm.ts` fetches it")

export type Tree = { readonly [key: string]: Value }
export type Value = string | number | boolean | null | ReadonlyArray<Value> | Tree

/** A Kubernetes object, with the fields that all of them have. */
export interface Manifest extends Tree {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels: Tree; readonly annotations?: Tree }
}

/** The value sets that come with the chart, by name. */
export const sets: Readonly<Record<string, string>> = Object.fromEntries(
  globSync(`${folder}/ci/*-values.yaml`).map((file) => [basename(file, "-values.yaml"), file])
)
export const setOf = (name: string) => parse(readFileSync(sets[name] ?? name, "utf8")) as Tree

export interface Outcome {
  readonly code: number
  readonly output: string
  readonly errors: string
}
export const helm = (...words: ReadonlyArray<string>): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    if (program === undefined) return reject(new Error("no helm; see scripts/helm.ts"))
    execFile(program, words, { timeout: 60_000, maxBuffer: 64 << 20 }, (error, output, errors) =>
      resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : 1, output, errors })
    )
  })

/** `helm template` of a value set, or of changes to one; `from` is another version of the chart. */
export const template = async (set: string, changes: Tree = {}, from = folder): Promise<Outcome> => {
  const directory = mkdtempSync(join(tmpdir(), "eco2 chart "))
  try {
    const file = join(directory, "changes.yaml")
    writeFileSync(file, stringify(changes, { version: "1.1" }))
    return await helm("template", "eco2", from, "-n", "waste", "-f", sets[set] ?? set, "-f", file)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const rendered = new Map<string, Promise<ReadonlyArray<Manifest>>>()

/** The same as objects, cached; throws with helm's message. */
export const render = (set: string, changes: Tree = {}, from = folder): Promise<ReadonlyArray<Manifest>> => {
  const key = JSON.stringify([set, changes, from])
  const known = rendered.get(key)
  if (known !== undefined) return known
  const made = template(set, changes, from).then(({ code, errors, output }) => {
    if (code !== 0) throw new Error(errors)
    return parseAllDocuments(output).flatMap((document) => {
      if (document.errors.length > 0) throw new Error(String(document.errors))
      const manifest: unknown = document.toJS()
      return manifest === null ? [] : [manifest as Manifest]
    })
  })
  rendered.set(key, made)
  return made
}

/** Any value of a tree, by a path of keys and indices; undefined where there is none. */
export const at = (tree: Value | undefined, ...path: ReadonlyArray<string | number>): Value | undefined =>
  path.reduce<Value | undefined>(
    (node, key) =>
      typeof node === "object" && node !== null ? (node as Record<string | number, Value>)[key] : undefined,
    tree
  )
export const list = (value: Value | undefined): ReadonlyArray<Value> => (Array.isArray(value) ? value : [])

export const named = (manifests: ReadonlyArray<Manifest>, kind: string, name?: string) =>
  manifests.filter((manifest) => manifest.kind === kind && (name === undefined || manifest.metadata.name === name))

/** The environment of a workload's first container, secrets as `<secret>/<key>`. */
export const environment = (
  manifests: ReadonlyArray<Manifest>,
  workload: Manifest
): Readonly<Record<string, string>> => {
  const pod = workload.kind === "Pod" ? at(workload, "spec") : at(workload, "spec", "template", "spec")
  const container = at(pod, "containers", 0)
  const shared = list(at(container, "envFrom")).flatMap((from) => {
    const name = at(from, "configMapRef", "name")
    const map = named(manifests, "ConfigMap").find(({ metadata }) => metadata.name === name)
    return Object.entries((at(map, "data") ?? {}) as Tree)
  })
  const own = list(at(container, "env")).map((entry): [string, Value] => {
    const secret = at(entry, "valueFrom", "secretKeyRef")
    return [String(at(entry, "name")), at(entry, "value") ?? `${at(secret, "name")}/${at(secret, "key")}`]
  })
  return Object.fromEntries([...shared, ...own].map(([name, value]) => [name, String(value)]))
}
