/**
 * Cluster: the Kubernetes API server that KUBECONFIG names, asked through `kubectl proxy`, so that every way to sign in works that
 * kubectl knows; and helm on the same cluster. Tests work in a namespace of their own, under the strictest pod security.
 * The nodes may be faked: FakeNodes.
 */
import { execFile, spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { Schema } from "effect"
import * as Helm from "../../scripts/helm.ts"
import type { Outcome, Tree } from "../chart/Chart.ts"

const Named = Schema.Struct({
  metadata: Schema.Struct({
    name: Schema.String,
    uid: Schema.optional(Schema.String),
    generation: Schema.optional(Schema.Number),
    deletionTimestamp: Schema.optional(Schema.String)
  }),
  spec: Schema.optional(Schema.Record(Schema.String, Schema.Json)),
  status: Schema.optional(Schema.Record(Schema.String, Schema.Json))
})
export type Named = typeof Named.Type
const decodeList = Schema.decodeUnknownSync(Schema.Struct({ items: Schema.Array(Named) }))
const decodeResources = Schema.decodeUnknownSync(
  Schema.Struct({
    resources: Schema.Array(
      Schema.Struct({
        name: Schema.String,
        kind: Schema.String,
        namespaced: Schema.Boolean,
        verbs: Schema.Array(Schema.String)
      })
    )
  })
)
const decodeGroups = Schema.decodeUnknownSync(
  Schema.Struct({
    groups: Schema.Array(Schema.Struct({ preferredVersion: Schema.Struct({ groupVersion: Schema.String }) }))
  })
)

export interface Answer {
  readonly status: number
  readonly body: unknown
  /** What the server warns of. */
  readonly warnings: ReadonlyArray<string>
}

export interface Cluster {
  readonly version: string
  readonly namespace: string
  /** A request to the API; `type` is its body's. Fails only without an answer. */
  readonly ask: (method: string, path: string, body?: Tree, type?: string) => Promise<Answer>
  readonly list: (path: string) => Promise<ReadonlyArray<Named>>
  /** The path of a kind's objects in the namespace; undefined if the server does not know the kind. */
  readonly pathOf: (apiVersion: string, kind: string) => Promise<string | undefined>
  /** Everything in the namespace but what each namespace has, and events: `<resource> <name>`. */
  readonly objects: () => Promise<ReadonlyArray<string>>
  readonly helm: (...words: ReadonlyArray<string>) => Promise<Outcome>
  /** Deletes the namespace. */
  readonly close: () => Promise<void>
}

/** Why there is no cluster to try; undefined where there is one. */
export const missing = (): string | undefined => (process.env.KUBECONFIG ? undefined : "KUBECONFIG names no cluster")

/** The base of a group's version: `v1` is older than groups. */
const baseOf = (apiVersion: string) => (apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`)

const startProxy = async () => {
  const child = spawn("kubectl", ["proxy", "--port=0"], { stdio: ["ignore", "pipe", "pipe"] })
  let said = ""
  const address = new Promise<string>((resolve, reject) => {
    const hear = (chunk: Buffer) => {
      said += chunk.toString("utf8")
      const [, port] = /Starting to serve on 127\.0\.0\.1:(\d+)/.exec(said) ?? []
      if (port !== undefined) resolve(`http://127.0.0.1:${port}`)
    }
    child.stdout.on("data", hear)
    child.stderr.on("data", hear)
    child.once("error", reject)
    child.once("close", (code) => reject(new Error(`kubectl proxy ended with ${code}: ${said}`)))
  })
  return { address: await address, child }
}

export const open = async (): Promise<Cluster> => {
  const program = Helm.ensure((line) => console.error(`eco2: ${line}`))
  const proxy = await startProxy()
  const namespace = `eco2-test-${randomUUID().slice(0, 8)}`

  const ask: Cluster["ask"] = async (method, path, body, type = "application/json") => {
    const response = await fetch(new URL(path, proxy.address), {
      method,
      ...(body === undefined ? {} : { headers: { "content-type": type }, body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(60_000)
    })
    const text = await response.text()
    const warnings = [...(response.headers.get("warning") ?? "").matchAll(/299 - "((?:[^"\\]|\\.)*)"/g)]
    return {
      status: response.status,
      body: text.startsWith("{") ? JSON.parse(text) : text,
      warnings: warnings.map(([, one = ""]) => one)
    }
  }
  const must: Cluster["ask"] = async (method, path, ...more) => {
    const answer = await ask(method, path, ...more)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer
  }
  const list = async (path: string) => decodeList((await must("GET", path)).body).items

  const discovered = new Map<string, Promise<ReturnType<typeof decodeResources>["resources"]>>()
  const resourcesOf = (apiVersion: string) => {
    const known = discovered.get(apiVersion)
    if (known !== undefined) return known
    const asked = ask("GET", baseOf(apiVersion)).then(({ body, status }) =>
      status === 404 ? [] : decodeResources(body).resources
    )
    discovered.set(apiVersion, asked)
    return asked
  }
  const within = (apiVersion: string, name: string) => `${baseOf(apiVersion)}/namespaces/${namespace}/${name}`

  const version = (await must("GET", "/version")).body
  const level = "restricted"
  await must("POST", "/api/v1/namespaces", {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name: namespace,
      labels: { "pod-security.kubernetes.io/enforce": level, "pod-security.kubernetes.io/warn": level }
    }
  })
  return {
    version: Schema.decodeUnknownSync(Schema.Struct({ gitVersion: Schema.String }))(version).gitVersion,
    namespace,
    ask,
    list,
    pathOf: async (apiVersion, kind) => {
      const found = (await resourcesOf(apiVersion)).find((one) => one.kind === kind && !one.name.includes("/"))
      if (found === undefined) return undefined
      if (!found.namespaced) throw new Error(`${kind} is in no namespace: the chart may install none`)
      return within(apiVersion, found.name)
    },
    objects: async () => {
      const groups = decodeGroups((await must("GET", "/apis")).body).groups
      const found: Array<string> = []
      for (const apiVersion of ["v1", ...groups.map(({ preferredVersion }) => preferredVersion.groupVersion)]) {
        for (const { name, namespaced, verbs } of await resourcesOf(apiVersion)) {
          if (!namespaced || !verbs.includes("list") || name === "events") continue
          for (const { metadata } of await list(within(apiVersion, name))) found.push(`${name} ${metadata.name}`)
        }
      }
      const always = ["configmaps kube-root-ca.crt", "serviceaccounts default"]
      return [...new Set(found)].filter((one) => !always.includes(one)).toSorted()
    },
    helm: (...words) =>
      new Promise((resolve) => {
        const options = { timeout: 840_000, maxBuffer: 64 << 20 }
        execFile(program, [...words, "-n", namespace], options, (error, output, errors) =>
          resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : 1, output, errors })
        )
      }),
    close: async () => {
      await must("DELETE", `/api/v1/namespaces/${namespace}`)
      proxy.child.kill()
      await once(proxy.child, "close")
    }
  }
}
