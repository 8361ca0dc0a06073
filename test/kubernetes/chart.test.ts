/**
 * The chart on a real API server, `npm run test:kubernetes`: the cluster that KUBECONFIG names accepts every value set without a
 * warning (server-side dry run under the pod security level `restricted`), and takes the minimal one through its life: install
 * with its hooks, `helm test`, upgrade, rollback, uninstall.
 * KUBERNETES_IMAGE names the image that the nodes run (`registry/eco2:tag`); with KUBERNETES_NODES=fake none runs (FakeNodes).
 * Without either only the dry runs are made. Upgrades under load are test/e2e/rolling.test.ts, on processes.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Schema } from "effect"
import * as Chart from "../chart/Chart.ts"
import type { Manifest, Tree } from "../chart/Chart.ts"
import * as Cluster from "./Cluster.ts"
import * as FakeNodes from "./FakeNodes.ts"

const say = (line: string) => void process.stdout.write(`${line}\n`)
const missing = Cluster.missing()
if (missing !== undefined) say(`test:kubernetes is skipped: ${missing}`)
const isFake = process.env.KUBERNETES_NODES === "fake"
const image = process.env.KUBERNETES_IMAGE
const runs = isFake || image !== undefined
if (missing === undefined && !runs)
  say(
    "test:kubernetes installs nothing: set KUBERNETES_IMAGE to an image that the nodes can pull, or KUBERNETES_NODES=fake"
  )

describe.skipIf(missing !== undefined)("the chart on an API server", () => {
  let cluster: Cluster.Cluster
  let nodes: FakeNodes.FakeNodes | undefined

  beforeAll(async () => {
    cluster = await Cluster.open()
    if (isFake) nodes = await FakeNodes.start(cluster)
    say(`Kubernetes ${cluster.version}, nodes ${isFake ? "faked" : "as they are"}`)
  })
  afterAll(async () => {
    await nodes?.stop()
    await cluster?.close()
  })

  /** What the server says of an object that is not stored: nothing, if it takes it as it is. */
  const objections = async (manifest: Manifest): Promise<ReadonlyArray<string>> => {
    const { apiVersion, kind, metadata } = manifest
    const path = await cluster.pathOf(apiVersion, kind)
    if (path === undefined) return []
    const query = "dryRun=All&fieldManager=eco2-test&fieldValidation=Strict&force=true"
    const object = { ...manifest, metadata: { ...metadata, namespace: cluster.namespace } }
    const type = "application/apply-patch+yaml"
    const { body, status, warnings } = await cluster.ask("PATCH", `${path}/${metadata.name}?${query}`, object, type)
    const refusal = status < 300 ? [] : [`${status} ${JSON.stringify(body)}`]
    return [...refusal, ...warnings].map((one) => `${kind} ${metadata.name}: ${one}`)
  }

  it.each(Object.keys(Chart.sets))(
    "the API server takes each object of the value set %s without a warning",
    async (set) => {
      const manifests = await Chart.render(set)
      const said: Array<string> = []
      const unknown = new Set<string>()
      // admission looks the account of a pod up, so it is stored for a moment
      const accounts = Chart.named(manifests, "ServiceAccount")
      const path = `/api/v1/namespaces/${cluster.namespace}/serviceaccounts`
      for (const account of accounts) expect((await cluster.ask("POST", path, account)).status).toBe(201)
      for (const manifest of manifests) {
        if ((await cluster.pathOf(manifest.apiVersion, manifest.kind)) === undefined) unknown.add(manifest.kind)
        said.push(...(await objections(manifest)))
      }
      for (const { metadata } of accounts) await cluster.ask("DELETE", `${path}/${metadata.name}`)
      if (unknown.size > 0) say(`${set}: this cluster does not know ${[...unknown].join(", ")}`)
      expect(said).toEqual([])
      expect(unknown.size).toBeLessThan(manifests.length / 2)
    }
  )

  it("the API server refuses a field that no kind has, and warns of a pod that may be root", async () => {
    const deployment = Chart.named(await Chart.render("minimal"), "Deployment")[0]!
    const spec = Chart.at(deployment, "spec") as Tree
    const pod = (changes: Tree) => {
      const template = Chart.at(spec, "template") as Tree
      const inner = { ...(Chart.at(template, "spec") as Tree), ...changes }
      return { ...deployment, spec: { ...spec, template: { ...template, spec: inner } } }
    }
    expect((await objections(pod({ replcias: 1 }))).join()).toContain("replcias")
    expect((await objections(pod({ securityContext: {} }))).join()).toContain("PodSecurity")
  })

  const Release = Schema.fromJsonString(
    Schema.Struct({
      version: Schema.Int,
      info: Schema.Struct({ status: Schema.String }),
      hooks: Schema.Array(
        Schema.Struct({
          name: Schema.String,
          kind: Schema.String,
          last_run: Schema.Struct({
            started_at: Schema.optional(Schema.String),
            completed_at: Schema.optional(Schema.String),
            phase: Schema.String
          })
        })
      )
    })
  )
  const release = async () => {
    const { code, errors, output } = await cluster.helm("status", "eco2", "-o", "json")
    if (code !== 0) throw new Error(errors)
    return Schema.decodeUnknownSync(Release)(output)
  }
  /** The hooks of the last install or upgrade, in the order of their starts; each began when the one before had ended. */
  const hooks = async () => {
    const jobs = (await release()).hooks.filter(({ kind }) => kind === "Job")
    const time = (text: string | undefined) => Date.parse(text ?? "")
    const order = jobs.toSorted((a, b) => time(a.last_run.started_at) - time(b.last_run.started_at))
    for (const [i, { last_run }] of order.entries()) {
      const before = order[i - 1]?.last_run.completed_at
      if (before !== undefined) expect(time(last_run.started_at)).toBeGreaterThanOrEqual(time(before))
    }
    return order.map(({ last_run, name }) => `${name} ${last_run.phase}`)
  }
  const [, repository = "", tag = ""] = /^(.+?)(?::([^:/]+))?$/.exec(image ?? "eco2:0.1.0") ?? []
  /** The set's own storage class is an example; the cluster's default is taken. */
  const words = [
    ...["-f", Chart.sets["minimal"]!, "--set", "database.bundled.storageClass="],
    ...["--set", `image.repository=${repository},image.tag=${tag}`, "--wait", "--timeout", "12m"]
  ]
  const must = async (...command: ReadonlyArray<string>) => {
    const { code, errors, output } = await cluster.helm(...command)
    expect(code, `helm ${command[0]}: ${output}${errors}`).toBe(0)
    return output + errors
  }
  const setting = async () => {
    const { body } = await cluster.ask("GET", `/api/v1/namespaces/${cluster.namespace}/configmaps/eco2`)
    const Settings = Schema.Struct({ data: Schema.Record(Schema.String, Schema.String) })
    return Schema.decodeUnknownSync(Settings)(body).data.USER_CONCURRENCY
  }
  /** Deployments whose pods are not all of the present version and available. */
  const behind = async () =>
    (await cluster.list(`/apis/apps/v1/namespaces/${cluster.namespace}/deployments`))
      .filter(
        ({ metadata, spec, status }) =>
          status?.observedGeneration !== metadata.generation ||
          status?.updatedReplicas !== spec?.replicas ||
          status?.availableReplicas !== spec?.replicas ||
          status?.replicas !== spec?.replicas
      )
      .map(({ metadata }) => metadata.name)

  it.skipIf(!runs)(
    "the minimal set is installed, tested, upgraded, rolled back and removed; nothing but the stores' claims is left",
    async () => {
      const inOrder = ["eco2-migrate Succeeded", "eco2-warm-up Succeeded"]
      await must("install", "eco2", Chart.folder, ...words)
      expect([await behind(), await hooks(), await setting()]).toEqual([[], inOrder, undefined])

      await must("test", "eco2", "--timeout", "5m", ...(isFake ? [] : ["--logs"]))
      const installed = await cluster.objects()

      await must("upgrade", "eco2", Chart.folder, ...words, "--set", "settings.USER_CONCURRENCY=7")
      expect([await behind(), await hooks(), await setting()]).toEqual([[], inOrder, "7"])

      await must("rollback", "eco2", "1", "--wait", "--timeout", "12m")
      expect([await behind(), await setting(), (await release()).version]).toEqual([[], undefined, 3])
      // pods have other names, and the release more versions
      const kept = (objects: ReadonlyArray<string>) =>
        objects.filter(
          (one) => !/^(pods|replicasets|endpointslices|controllerrevisions|leases) |helm\.release/.test(one)
        )
      expect(kept(await cluster.objects())).toEqual(kept(installed))

      await must("uninstall", "eco2", "--wait", "--timeout", "5m")
      await expect
        .poll(() => cluster.objects(), { timeout: 60_000, interval: 1_000 })
        .toEqual(["persistentvolumeclaims data-eco2-postgres-0", "persistentvolumeclaims data-eco2-redis-0"])
    }
  )
})
