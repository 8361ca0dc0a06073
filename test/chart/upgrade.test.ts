/**
 * An upgrade and a rollback between two versions of the chart, on the rendered manifests: what an API server would refuse to
 * change is the same in both, and what cannot be changed is deleted before it is made anew.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Chart from "./Chart.ts"
import { at, named } from "./Chart.ts"
import type { Manifest, Tree, Value } from "./Chart.ts"

const without = (tree: Value | undefined, ...names: ReadonlyArray<string>): Value =>
  Object.fromEntries(Object.entries((tree ?? {}) as Tree).filter(([name]) => !names.includes(name)))

/** What the API server refuses to change in an object of this kind; null: everything may change. */
const fixed = ({ kind, ...manifest }: Manifest): Value => {
  const spec = at(manifest, "spec")
  switch (kind) {
    case "Deployment":
      return { selector: at(spec, "selector") ?? null }
    case "StatefulSet":
      return without(
        spec,
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
        "revisionHistoryLimit"
      )
    case "Job":
      return without(spec, "parallelism", "suspend", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
    case "Pod":
      return spec ?? null
    case "Service":
      return { clusterIP: at(spec, "clusterIP") ?? null }
    case "Secret":
      return { type: at(manifest, "type") ?? null, immutable: at(manifest, "immutable") ?? null }
    case "ConfigMap":
      return { immutable: at(manifest, "immutable") ?? null }
    default:
      return null
  }
}
const nameOf = ({ kind, metadata }: Manifest) => `${kind} ${metadata.name}`
/** Helm deletes it before it makes it anew, also when an earlier one is left. */
const isMadeAnew = ({ metadata }: Manifest) =>
  String(metadata.annotations?.["helm.sh/hook-delete-policy"] ?? "").includes("before-hook-creation")
const clashes = (before: ReadonlyArray<Manifest>, after: ReadonlyArray<Manifest>) => {
  const known = new Map(before.map((one) => [nameOf(one), one]))
  return after.flatMap((one) => {
    const last = known.get(nameOf(one))
    if (last === undefined || isMadeAnew(one)) return []
    return JSON.stringify(fixed(last)) === JSON.stringify(fixed(one)) ? [] : [nameOf(one)]
  })
}

/** What an operator changes with a version: image, settings, secrets, sizes. */
const changes: Tree = {
  image: { tag: "9.9.9" },
  settings: { USER_CONCURRENCY: 7 },
  roles: { gateway: { replicas: 3, resources: { limits: { memory: "2Gi" } } } }
}

describe.skipIf(Chart.missing)("between two versions of the chart", () => {
  const earlier = join(mkdtempSync(join(tmpdir(), "eco2 chart ")), "eco2")
  beforeAll(() => {
    cpSync(Chart.folder, earlier, { recursive: true })
    const file = join(earlier, "Chart.yaml")
    writeFileSync(file, readFileSync(file, "utf8").replaceAll(/ersion: "?0\.1\.0"?/g, 'ersion: "0.0.9"'))
  })
  afterAll(() => rmSync(join(earlier, ".."), { recursive: true, force: true }))

  it.each(Object.keys(Chart.sets))(
    "an upgrade of %s and its rollback change nothing that an API server refuses to change, and leave no object behind",
    async (set) => {
      const before = await Chart.render(set, {}, earlier)
      const after = await Chart.render(set, changes)
      const version = (manifests: ReadonlyArray<Manifest>) => manifests[0]?.metadata.labels["helm.sh/chart"]
      expect([version(before), version(after)]).toEqual(["eco2-0.0.9", "eco2-0.1.0"])
      expect(clashes(before, after)).toEqual([])
      expect(clashes(after, before)).toEqual([])
      expect(after.map(nameOf).toSorted()).toEqual(before.map(nameOf).toSorted())
    }
  )

  it.each(Object.keys(Chart.sets))("a rollback of %s is what was installed, to the byte", async (set) => {
    expect((await Chart.template(set, {}, earlier)).output).toBe((await Chart.template(set, {}, earlier)).output)
  })

  it("a Job that is not deleted before, a selector with a version, and another claim are found", async () => {
    const manifests = await Chart.render("minimal")
    const changed = (kind: string, change: (text: string) => string) =>
      clashes(
        manifests,
        named(manifests, kind).map((one) => JSON.parse(change(JSON.stringify(one))) as Manifest)
      )
    const left = (text: string) => text.replace("before-hook-creation,", "")
    expect(changed("Job", (text) => left(text).replace("deploy/cli/main.ts", "another.ts"))).toContain(
      "Job eco2-migrate"
    )
    expect(changed("Deployment", (text) => text.replace('"matchLabels":{', '"matchLabels":{"version":"2",'))).toContain(
      "Deployment eco2-gateway"
    )
    expect(changed("StatefulSet", (text) => text.replace("2Gi", "4Gi"))).toEqual(["StatefulSet eco2-redis"])
  })

  it("what cannot change is what version 0.1.0 was released with", async () => {
    const manifests = await Chart.render("minimal")
    const labels = (part: string) => ({
      matchLabels: {
        "app.kubernetes.io/name": "eco2",
        "app.kubernetes.io/instance": "eco2",
        "app.kubernetes.io/component": part
      }
    })
    for (const one of named(manifests, "Deployment"))
      expect(fixed(one)).toEqual({ selector: labels(one.metadata.name.replace("eco2-", "")) })
    const store = (part: string, storage: string, more: Tree) => ({
      serviceName: `eco2-${part}`,
      selector: labels(part),
      volumeClaimTemplates: [
        {
          metadata: { name: "data" },
          spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage } }, ...more }
        }
      ]
    })
    expect(named(manifests, "StatefulSet").map(fixed)).toEqual([
      store("redis", "2Gi", {}),
      store("postgres", "5Gi", { storageClassName: "fast" })
    ])
  })
})
