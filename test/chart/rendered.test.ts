/** The rendered chart: the environment has the code's own defaults, each role has only what it needs, no stream is cut off. */
import { afterAll, describe, expect, it } from "vitest"
import { CoreConfig } from "@eco2/core"
import { RedisSettings } from "@eco2/core/redis"
import { PostgresConfig } from "@eco2/core/postgres"
import { Config, ConfigProvider, Effect, Layer, Redacted } from "effect"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parse } from "yaml"
import { listed, secrets, settings } from "../../scripts/chart.ts"
import { authMode, GatewayConfig } from "../../packages/gateway/src/GatewayConfig.ts"
import { TokenConfig } from "../../packages/gateway/src/auth/TokenConfig.ts"
import * as Certificates from "../harness/Certificates.ts"
import * as Chart from "./Chart.ts"
import type { Manifest, Tree, Value } from "./Chart.ts"
import { at, list, named } from "./Chart.ts"

const workloads = (manifests: ReadonlyArray<Manifest>) =>
  manifests.filter(({ kind }) => ["Deployment", "Job", "Pod", "StatefulSet"].includes(kind))
const podOf = (workload: Manifest) =>
  workload.kind === "Pod" ? at(workload, "spec") : at(workload, "spec", "template", "spec")
const containers = (workload: Manifest) => [
  ...list(at(podOf(workload), "initContainers")),
  ...list(at(podOf(workload), "containers"))
]
const ofProject = (workload: Manifest) => workload.kind !== "StatefulSet"
const role = (manifests: ReadonlyArray<Manifest>, name: string): Manifest => {
  const [found] = named(manifests, "Deployment", `eco2-${name}`)
  if (found === undefined) throw new Error(`no Deployment eco2-${name}`)
  return found
}
const sets = Object.keys(Chart.sets)

describe.skipIf(Chart.missing)("settings", () => {
  it("every setting of the code can be set in the chart, and no role gets one that the code does not know", async () => {
    const samples = settings().map(({ default: value, name }) => [name, value || "http://sample"])
    const secret = secrets()
      .filter(({ name }) => !["REDIS_URL", "DATABASE_URL", "JWT_SECRET"].includes(name))
      .map(({ name }) => [name, "sample"])
    const manifests = await Chart.render("default", {
      settings: Object.fromEntries([...samples, ["JWT_ISSUER", "i"], ["JWT_AUDIENCE", "a"]]),
      secrets: { values: { ...Object.fromEntries(secret), JWT_SECRET: null }, from: {} },
      networkPolicy: { enabled: false }
    })
    const bySecret = await Chart.render("external-secrets")
    const all = [...manifests, ...bySecret]
    const names = new Set(
      [manifests, bySecret].flatMap((some) =>
        workloads(some)
          .filter(ofProject)
          .flatMap((workload) => Object.keys(Chart.environment(some, workload)))
      )
    )
    expect(all.length).toBeGreaterThan(0)
    expect([...names].toSorted()).toEqual(
      listed()
        .map(({ name }) => name)
        .toSorted()
    )
  })

  it("settings reach the process as written: large numbers, booleans, words; a role's own override the common ones", async () => {
    const manifests = await Chart.render("production-keda", {
      settings: { SIMULATED_FAILURE_RATE: 0.25, NEWS_SAMPLE: true, USER_RATE: false }
    })
    const worker = Chart.environment(manifests, role(manifests, "scan-worker"))
    expect(worker).toMatchObject({
      MAILBOX_CAPACITY: "2000000",
      MODEL_LIMITS: "gpt-5.2=500rpm,2000000tpm",
      SIMULATED_FAILURE_RATE: "0.25",
      NEWS_SAMPLE: "true",
      // helm reads a bare `off` like this
      USER_RATE: "off",
      SHUTDOWN_GRACE: "5 minutes",
      SCAN_VISION_CONCURRENCY: "200"
    })
    expect(Chart.environment(manifests, role(manifests, "gateway"))).toMatchObject({ SHUTDOWN_GRACE: "1 minute" })
  })

  it("a release claims its data under its own name, unless settings.INSTALLATION gives another", async () => {
    const claimed = async (changes: Chart.Tree) => {
      const manifests = await Chart.render("default", changes)
      return Chart.environment(manifests, role(manifests, "scan-worker")).INSTALLATION
    }
    expect(await claimed({})).toBe("waste/eco2")
    expect(await claimed({ settings: { INSTALLATION: "production" } })).toBe("production")
  })

  const folder = mkdtempSync(join(tmpdir(), "eco2-mounted-"))
  const client = Certificates.isInstalled() ? Certificates.authority(folder, "chart") : undefined
  const pair = client?.certify("client", "DNS:localhost")
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  /** A file such as a pod has for this setting. */
  const mounted = (setting: string): string => {
    if (setting.includes("_CERT_")) return pair?.certificate ?? ""
    if (setting.includes("_KEY_")) return pair?.key ?? ""
    return client?.ca ?? `${Chart.root}LICENSE`
  }

  it.each(sets)("the code reads the settings of the value set %s", async (name) => {
    const manifests = await Chart.render(name)
    const given = new Map(
      named(manifests, "Secret").flatMap(({ data, metadata }) =>
        Object.entries(data as Tree).map(([key, value]) => [
          `${metadata.name}/${key}`,
          Buffer.from(String(value), "base64").toString("utf8")
        ])
      )
    )
    const stand: Readonly<Record<string, string>> = {
      DATABASE_URL: "postgres://eco2@host/eco2",
      JWT_SECRET: "a secret of more than thirty-two bytes",
      REDIS_URL: "redis://host"
    }
    for (const workload of named(manifests, "Deployment")) {
      const env = Object.fromEntries(
        Object.entries(Chart.environment(manifests, workload)).flatMap(([key, value]) => {
          const secret = /^[a-z0-9-]+\/[A-Za-z_]+$/.test(value)
          const text = secret ? (given.get(value) ?? stand[key] ?? "sample") : value
          // what `files` mounts in the pod
          if (key.endsWith("_FILE") && value !== "") return [[key, mounted(key)]]
          return key === "JWT_SECRET" && Chart.at(Chart.setOf(name), "settings", "JWKS_URL") ? [] : [[key, text]]
        })
      )
      const read = Effect.gen(function* () {
        yield* Effect.provide(CoreConfig, Layer.fresh(CoreConfig.layer))
        yield* RedisSettings.fromSettings
        const url = yield* PostgresConfig.databaseUrl
        if (workload.metadata.name.endsWith("gateway")) {
          yield* GatewayConfig
          yield* authMode({ default: "jwt", host: "0.0.0.0" })
          if (env.AUTH_MODE === "jwt") yield* TokenConfig
        }
        return url
      }).pipe(
        Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env })),
        Effect.mapError((error) => (error instanceof Config.ConfigError ? error.cause : error))
      )
      const url = await Effect.runPromise(read)
      if (env.DATABASE_PASSWORD !== undefined && url._tag === "Some")
        expect(decodeURIComponent(new URL(Redacted.value(url.value)).password)).toBe(env.DATABASE_PASSWORD)
    }
  })

  it("DATABASE_URL has user and name encoded, and no password, which is in no ConfigMap either", async () => {
    const password = "p@ss/w:rd %20?#+"
    const manifests = await Chart.render("default", { database: { user: "eco@2", name: "eco 2", sslMode: "require" } })
    const env = Chart.environment(manifests, role(manifests, "character-match"))
    expect(env).toMatchObject({
      DATABASE_URL: "postgres://eco%402@postgres.example:5432/eco%202?sslmode=require",
      DATABASE_PASSWORD: "eco2/DATABASE_PASSWORD"
    })
    expect(JSON.stringify(named(manifests, "ConfigMap"))).not.toContain(password)
    expect(
      Buffer.from(String(at(named(manifests, "Secret")[0], "data", "DATABASE_PASSWORD")), "base64").toString()
    ).toBe(password)
  })
})

describe.skipIf(Chart.missing)("secrets", () => {
  it("each secret is given to the roles that need it, and to no other", async () => {
    const every = secrets().map(({ name }) => name)
    const manifests = await Chart.render("default", {
      redis: { url: "" },
      database: { host: "" },
      secrets: {
        values: Object.fromEntries(every.map((name) => [name, "a secret of more than thirty-two bytes"]))
      },
      roles: { authz: { enabled: true } }
    })
    const redis = ["REDIS_PASSWORD", "REDIS_SENTINEL_PASSWORD", "REDIS_URL"]
    const stores = ["DATABASE_PASSWORD", "DATABASE_URL", ...redis]
    const given = Object.fromEntries(
      named(manifests, "Deployment").map((workload) => [
        workload.metadata.name,
        Object.entries(Chart.environment(manifests, workload))
          .flatMap(([name, value]) => (value === `eco2/${name}` ? [name] : []))
          .toSorted()
      ])
    )
    expect(given).toEqual({
      "eco2-authz": [...redis, "JWT_SECRET"].toSorted(),
      "eco2-character-match": stores,
      "eco2-character-worker": stores,
      "eco2-gateway": [...stores, "INTERNAL_SECRET", "JWT_SECRET", "S3_SECRET_ACCESS_KEY", "VIEWER_SECRET"].toSorted(),
      "eco2-news-api": stores,
      "eco2-news-worker": [...stores, "NAVER_CLIENT_ID", "NAVER_CLIENT_SECRET", "NEWSDATA_API_KEY"].toSorted(),
      "eco2-scan-worker": [...redis, "GEMINI_API_KEY", "OPENAI_API_KEY"].toSorted()
    })
    expect(new Set(Object.values(given).flat())).toEqual(new Set(every))
  })

  it("every pod of the project gets the files of certificates and passwords, read only", async () => {
    const manifests = await Chart.render("default", {
      files: [
        { secret: "redis-tls", path: "/etc/eco2/redis" },
        { configMap: "authorities", path: "/etc/eco2/ca" },
        { volume: { projected: { sources: [] } }, path: "/etc/eco2/token" }
      ],
      settings: { REDIS_CA_FILE: "/etc/eco2/redis/ca.crt" }
    })
    const pods = [...named(manifests, "Deployment"), ...named(manifests, "Job")]
    expect(pods.length).toBeGreaterThan(7)
    for (const workload of pods) {
      const spec = at(workload, "spec", "template", "spec")
      const containers = [...((at(spec, "initContainers") ?? []) as []), ...(at(spec, "containers") as [])]
      for (const container of containers)
        expect(at(container, "volumeMounts")).toEqual(
          expect.arrayContaining([
            { name: "files-0", mountPath: "/etc/eco2/redis", readOnly: true },
            { name: "files-1", mountPath: "/etc/eco2/ca", readOnly: true },
            { name: "files-2", mountPath: "/etc/eco2/token", readOnly: true }
          ])
        )
      expect(at(spec, "volumes")).toEqual(
        expect.arrayContaining([
          { name: "files-0", secret: { secretName: "redis-tls" } },
          { name: "files-1", configMap: { name: "authorities" } },
          { name: "files-2", projected: { sources: [] } }
        ])
      )
    }
  })

  it("secrets can come from existing Secrets by their own keys", async () => {
    const manifests = await Chart.render("production-keda")
    const env = Chart.environment(manifests, role(manifests, "gateway"))
    expect(env).toMatchObject({ DATABASE_PASSWORD: "pg-app/password", INTERNAL_SECRET: "eco2-secrets/INTERNAL_SECRET" })
    expect(named(manifests, "Secret")).toEqual([])
  })

  it("a change of the secrets' values restarts the roles", async () => {
    const sum = async (changes: Tree) =>
      at(role(await Chart.render("default", changes), "gateway"), "spec", "template", "metadata", "annotations")
    expect(await sum({ secrets: { values: { INTERNAL_SECRET: "another" } } })).not.toEqual(await sum({}))
    expect(await sum({ settings: { USER_CONCURRENCY: 7 } })).not.toEqual(await sum({}))
    expect(await sum({})).toEqual(await sum({}))
  })

  it("a new password restarts every pod that was started with the old one, the bundled Redis too", async () => {
    const templates = async (changes: Tree) =>
      new Map(
        [
          ...named(await Chart.render("minimal", changes), "Deployment"),
          ...named(await Chart.render("minimal", changes), "StatefulSet", "eco2-redis")
        ].map((one) => [one.metadata.name, JSON.stringify(at(one, "spec", "template"))])
      )
    const before = await templates({})
    const after = await templates({ secrets: { values: { REDIS_PASSWORD: "another" } } })
    expect(before.size).toBeGreaterThan(4)
    expect([...before].filter(([name, text]) => after.get(name) === text).map(([name]) => name)).toEqual([])
  })
})

describe.skipIf(Chart.missing).each(sets)("every pod of %s", (name) => {
  it("pods keep to the restricted profile, with a read-only root and no token", async () => {
    for (const workload of workloads(await Chart.render(name))) {
      const pod = podOf(workload)
      expect(at(pod, "automountServiceAccountToken"), workload.metadata.name).toBe(false)
      expect(at(pod, "securityContext")).toMatchObject({
        runAsNonRoot: true,
        seccompProfile: { type: "RuntimeDefault" }
      })
      for (const container of containers(workload)) {
        expect(at(container, "securityContext")).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] }
        })
        expect(at(container, "resources", "limits", "memory")).toBeTruthy()
        expect(at(container, "resources", "requests", "cpu")).toBeTruthy()
      }
    }
  })

  it("pods run a file that exists, by node alone, with probes by HTTP", async () => {
    for (const workload of workloads(await Chart.render(name)).filter(ofProject)) {
      for (const container of containers(workload)) {
        expect(at(container, "command")).toBeUndefined()
        const [main = ""] = list(at(container, "args"))
          .map(String)
          .filter((word) => !word.endsWith("/hook.mjs"))
        expect(existsSync(`${Chart.root}${main}`) || main === "/test/scan.mjs", main).toBe(true)
        for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"])
          expect(Object.keys((at(container, probe) ?? { httpGet: null }) as Tree)).toContain("httpGet")
      }
    }
  })

  it("pods get the time that SHUTDOWN_GRACE and open HTTP need, and are not killed for being busy", async () => {
    const manifests = await Chart.render(name)
    for (const workload of named(manifests, "Deployment")) {
      const grace = Chart.environment(manifests, workload).SHUTDOWN_GRACE ?? "20 seconds"
      const [, number = "", unit = ""] = /^(\d+) (second|minute)s?$/.exec(grace) ?? []
      const preStop = Number(at(podOf(workload), "containers", 0, "lifecycle", "preStop", "sleep", "seconds") ?? 0)
      const needed = Number(number) * (unit === "minute" ? 60 : 1) + preStop + 5
      expect(Number(at(podOf(workload), "terminationGracePeriodSeconds"))).toBeGreaterThan(needed)
      const liveness = at(podOf(workload), "containers", 0, "livenessProbe")
      expect(at(liveness, "httpGet", "path")).toBe("/healthz")
      expect(Number(at(liveness, "periodSeconds")) * Number(at(liveness, "failureThreshold"))).toBeGreaterThanOrEqual(
        120
      )
    }
  })

  it("every Service, budget and network policy selects the pods of its name, and no others", async () => {
    const manifests = await Chart.render(name)
    const labelsOf = (workload: Manifest) =>
      (workload.kind === "Pod"
        ? workload.metadata.labels
        : at(workload, "spec", "template", "metadata", "labels")) as Tree
    const matched = (selector: Value | undefined) =>
      workloads(manifests).filter((workload) =>
        Object.entries((selector ?? {}) as Tree).every(([key, value]) => labelsOf(workload)[key] === value)
      )
    for (const service of named(manifests, "Service"))
      expect(matched(at(service, "spec", "selector")).map(({ metadata }) => metadata.name)).toEqual([
        service.metadata.name.replace(/-admin$/, "")
      ])
    for (const budget of named(manifests, "PodDisruptionBudget"))
      expect(matched(at(budget, "spec", "selector", "matchLabels")).length).toBe(1)
    for (const policy of named(manifests, "NetworkPolicy"))
      expect(matched(at(policy, "spec", "podSelector", "matchLabels")).length, policy.metadata.name).toBeGreaterThan(0)
  })
})

describe.skipIf(Chart.missing)("scaling", () => {
  it("autoscaling has the measured defaults, by CPU and memory", async () => {
    const found = named(await Chart.render("default"), "HorizontalPodAutoscaler").map((scaler) => [
      scaler.metadata.name,
      at(scaler, "spec", "minReplicas"),
      at(scaler, "spec", "maxReplicas"),
      ...list(at(scaler, "spec", "metrics")).map((metric) => at(metric, "resource", "target", "averageUtilization"))
    ])
    expect(found).toEqual([
      ["eco2-character-match", 2, 4, 70, 80],
      ["eco2-character-worker", 2, 3, 75, 80],
      ["eco2-gateway", 2, 4, 70, 80],
      ["eco2-scan-worker", 2, 5, 60, 75]
    ])
  })

  /** MiB, the larger of ten seconds after a start and after a load (`npm run bench:load`). */
  const idle: Readonly<Record<string, number>> = {
    "eco2-gateway": 144,
    "eco2-scan-worker": 193,
    "eco2-character-match": 171,
    "eco2-character-worker": 170
  }

  it("idle pods are far enough below their memory target for the autoscaler to return to the minimum", async () => {
    const manifests = await Chart.render("default")
    for (const scaler of named(manifests, "HorizontalPodAutoscaler")) {
      const { name } = scaler.metadata
      const [one] = named(manifests, "Deployment", name)
      const request = at(podOf(one!), "containers", 0, "resources", "requests", "memory")
      const target = Number(at(scaler, "spec", "metrics", 1, "resource", "target", "averageUtilization")) / 100
      const ratio = idle[name]! / (Number.parseInt(String(request), 10) * target)
      const [least, most] = [at(scaler, "spec", "minReplicas"), at(scaler, "spec", "maxReplicas")].map(Number)
      for (let pods = most!; pods > least!; pods--)
        expect([name, pods, Math.ceil(pods * ratio) < pods]).toEqual([name, pods, true])
    }
  })

  it("KEDA scales workers by the largest backlog reported, gateways by the sum of viewers, and never to zero", async () => {
    const manifests = await Chart.render("production-keda")
    expect(named(manifests, "HorizontalPodAutoscaler")).toEqual([])
    const query = (name: string) =>
      at(named(manifests, "ScaledObject", `eco2-${name}`)[0], "spec", "triggers", 0, "metadata", "query")
    expect(query("scan-worker")).toBe(
      'sum(max by (mailbox) (eco2_mailbox_backlog{namespace="waste",mailbox=~"scan\\\\..*"}))'
    )
    expect(query("character-match")).toBe(
      'sum(max by (mailbox) (eco2_mailbox_backlog{namespace="waste",mailbox=~"character"}))'
    )
    expect(query("gateway")).toBe('sum(eco2_viewers{namespace="waste"})')
    for (const scaled of named(manifests, "ScaledObject"))
      expect(Number(at(scaled, "spec", "minReplicaCount"))).toBeGreaterThanOrEqual(1)
  })

  it("the number of pods is left to the autoscaler where there is one", async () => {
    const manifests = await Chart.render("default")
    expect(at(role(manifests, "scan-worker"), "spec", "replicas")).toBeUndefined()
    expect(at(role(manifests, "news-api"), "spec", "replicas")).toBe(2)
  })

  it("two pods of every role run by default, so that one may fail; of news-worker one, for which runs wait", async () => {
    const manifests = await Chart.render("default", { roles: { authz: { enabled: true } } })
    const least = named(manifests, "Deployment").map((one) => {
      const [scaler] = named(manifests, "HorizontalPodAutoscaler", one.metadata.name)
      return [one.metadata.name, at(scaler, "spec", "minReplicas") ?? at(one, "spec", "replicas")]
    })
    expect(least.length).toBe(7)
    expect(least.filter(([, pods]) => pods !== 2)).toEqual([["eco2-news-worker", 1]])
  })
})

describe.skipIf(Chart.missing)("connections to PostgreSQL", () => {
  it("the bundled PostgreSQL takes what the roles that have its password open at their largest, and twenty more", async () => {
    const changes: Tree = {
      settings: { DATABASE_POOL: 4 },
      roles: {
        gateway: { autoscaling: { enabled: true, max: 7 }, settings: { DATABASE_POOL: 6 } },
        "news-api": { enabled: true, replicas: 3 }
      }
    }
    const manifests = await Chart.render("minimal", changes)
    const most = named(manifests, "Deployment").map((one) => {
      const { DATABASE_PASSWORD: password, DATABASE_POOL: pool } = Chart.environment(manifests, one)
      const [scaler] = named(manifests, "HorizontalPodAutoscaler", one.metadata.name)
      const pods = Number(at(scaler, "spec", "maxReplicas") ?? at(one, "spec", "replicas"))
      return password === undefined ? 0 : pods * Number(pool)
    })
    expect(most.filter((connections) => connections > 0).toSorted((a, b) => a - b)).toEqual([4, 4, 12, 42])
    const [postgres] = named(manifests, "StatefulSet", "eco2-postgres")
    expect(at(postgres, "spec", "template", "spec", "containers", 0, "args", 1)).toBe("max_connections=82")
  })
})

describe.skipIf(Chart.missing)("routes", () => {
  it("routes neither buffer live streams nor cut them", async () => {
    const [ingress] = named(await Chart.render("production-keda"), "Ingress")
    const annotations = ingress?.metadata.annotations ?? {}
    expect(annotations).toMatchObject({
      "nginx.ingress.kubernetes.io/proxy-buffering": "off",
      "nginx.ingress.kubernetes.io/proxy-http-version": "1.1"
    })
    expect(Number(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"])).toBeGreaterThan(300)
    const [route] = named(await Chart.render("cluster"), "HTTPRoute")
    expect(at(route, "spec", "rules", 1, "timeouts", "request")).toBe("0s")
  })

  it("routes lead to Services that exist", async () => {
    for (const name of sets) {
      const manifests = await Chart.render(name)
      const services = named(manifests, "Service").map(({ metadata }) => metadata.name)
      const text = JSON.stringify([...named(manifests, "Ingress"), ...named(manifests, "HTTPRoute")])
      for (const [, backend] of text.matchAll(/"(?:service|backendRefs)":\[?\{"name":"([^"]+)"/g))
        expect(services).toContain(backend)
    }
  })

  it("no route leads to metrics or the operators' API: they have a port and a Service of their own, inside the cluster", async () => {
    const ports = (service: Manifest) => list(at(service, "spec", "ports")).map((port) => at(port, "targetPort"))
    for (const name of sets) {
      for (const type of ["ClusterIP", "LoadBalancer"]) {
        const manifests = await Chart.render(name, { service: { type } })
        const services = named(manifests, "Service")
        const admin = services.filter((service) => ports(service).includes("admin"))
        for (const service of admin)
          expect([ports(service), at(service, "spec", "type")]).toEqual([["admin"], "ClusterIP"])
        const routes = JSON.stringify([...named(manifests, "Ingress"), ...named(manifests, "HTTPRoute")])
        expect(admin.filter(({ metadata }) => routes.includes(`"${metadata.name}"`))).toEqual([])
        expect(routes).not.toMatch(/"admin"|8081/)
        const workloadNames = named(manifests, "Deployment").map(({ metadata }) => metadata.name)
        expect(admin.map(({ metadata }) => metadata.name)).toEqual(workloadNames.map((one) => `${one}-admin`))
        for (const workload of named(manifests, "Deployment"))
          expect(Chart.environment(manifests, workload)).toMatchObject({ PORT: "8080", ADMIN_PORT: "8081" })
      }
    }
  })
})

describe.skipIf(Chart.missing)("the network", () => {
  const egress = (manifests: ReadonlyArray<Manifest>, name: string) =>
    JSON.stringify(at(named(manifests, "NetworkPolicy", `eco2-${name}`)[0], "spec", "egress"))

  it("network policies allow only what a role needs, and to strangers' addresses no private one", async () => {
    const manifests = await Chart.render("default")
    const [all] = named(manifests, "NetworkPolicy", "eco2")
    expect(at(all, "spec", "policyTypes")).toEqual(["Ingress", "Egress"])
    expect(at(all, "spec", "ingress")).toBeUndefined()
    expect(list(at(all, "spec", "egress")).map((rule) => at(rule, "ports", 0, "port"))).toEqual([53])
    for (const name of ["scan-worker", "news-worker"]) {
      expect(egress(manifests, name)).toContain('"cidr":"0.0.0.0/0"')
      expect(egress(manifests, name)).toContain("169.254.0.0/16")
    }
    expect(egress(manifests, "scan-worker")).not.toContain("5432")
    expect(egress(manifests, "character-match")).not.toContain("0.0.0.0/0")
  })

  it("network policies let nobody but the named reach metrics and the operators' API", async () => {
    const identity = { namespaceSelector: { matchLabels: { team: "identity" } } }
    const admitted = async (changes: Tree, name: string) =>
      list(at(named(await Chart.render("default", changes), "NetworkPolicy", `eco2-${name}`)[0], "spec", "ingress"))
        .filter((rule) => at(rule, "ports", 0, "port") === "admin")
        .map((rule) => at(rule, "from"))
    const monitoring = { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "monitoring" } } }
    for (const name of ["gateway", "scan-worker"]) expect(await admitted({}, name)).toEqual([[monitoring]])
    const withOperators = { networkPolicy: { operators: [identity] } }
    expect(await admitted(withOperators, "gateway")).toEqual([[monitoring, identity]])
    expect(await admitted(withOperators, "scan-worker")).toEqual([[monitoring]])
    for (const name of ["gateway", "scan-worker"])
      expect(await admitted({ networkPolicy: { metrics: [] } }, name)).toEqual([])
  })

  it.each([
    ["s3://photos", 443],
    ["s3://photos/eco2?region=eu-central-1&endpoint=http://minio.storage", 80],
    ["s3://photos?endpoint=https://minio.storage:9000&region=eu-central-1", 9000]
  ])(
    "network policies let the gateway alone reach the object storage of %s, at its port %i",
    async (IMAGE_STORE, port) => {
      const [before, after] = await Promise.all([
        Chart.render("default"),
        Chart.render("default", { settings: { IMAGE_STORE } })
      ])
      const rules = (manifests: ReadonlyArray<Manifest>, name: string) =>
        list(at(named(manifests, "NetworkPolicy", `eco2-${name}`)[0], "spec", "egress"))
      expect(rules(after, "gateway").slice(rules(before, "gateway").length)).toEqual([
        { ports: [{ port, protocol: "TCP" }] }
      ])
      for (const name of ["scan-worker", "news-api"]) expect(rules(after, name)).toEqual(rules(before, name))
    }
  )

  it("network policies take the ports of Redis from its URL", async () => {
    const ports = async (set: string, changes: Tree = {}) =>
      list(
        at(named(await Chart.render(set, changes), "NetworkPolicy", "eco2-authz")[0], "spec", "egress", 0, "ports")
      ).map((port) => at(port, "port"))
    const authz = { roles: { authz: { enabled: true } } }
    expect(await ports("default", authz)).toEqual([6379])
    expect(await ports("cluster", authz)).toEqual([7000, 7001, 7002, 7003])
    expect(await ports("production-keda", authz)).toEqual([26379, 26380, 6379])
  })
})

describe.skipIf(Chart.missing)("hooks", () => {
  const jobs = async (set: string, changes: Tree = {}) => named(await Chart.render(set, changes), "Job")

  it("hooks migrate and then warm up the catalogue after install and upgrade, and fail loudly within 600 s", async () => {
    const found = await jobs("default")
    expect(found.map((job) => at(podOf(job), "containers", 0, "args"))).toEqual([
      ["deploy/cli/main.ts", "migrate"],
      ["deploy/cli/main.ts", "characters", "warm-up"]
    ])
    const weights = found.map(({ metadata }) => Number(metadata.annotations?.["helm.sh/hook-weight"]))
    expect(weights).toEqual(weights.toSorted((a, b) => a - b))
    for (const job of found) {
      expect(job.metadata.annotations).toMatchObject({ "helm.sh/hook": "post-install,post-upgrade" })
      expect(at(podOf(job), "restartPolicy")).toBe("Never")
      expect(at(job, "spec", "activeDeadlineSeconds")).toBe(600)
    }
  })

  it.each(sets)(
    "what hooks of %s make is removed when they succeeded, because helm removes none of it at an uninstall",
    async (set) => {
      const made = (await Chart.render(set)).filter(
        ({ metadata }) => metadata.annotations?.["helm.sh/hook"] !== undefined
      )
      expect(made.length).toBeGreaterThan(0)
      for (const { kind, metadata } of made)
        expect([kind, metadata.name, metadata.annotations?.["helm.sh/hook-delete-policy"]]).toEqual([
          kind,
          metadata.name,
          "before-hook-creation,hook-succeeded"
        ])
    }
  )

  it("hooks are Argo CD's too where that is set", async () => {
    for (const job of await jobs("argocd"))
      expect(job.metadata.annotations).toMatchObject({ "argocd.argoproj.io/hook": "PostSync" })
    for (const job of await jobs("default"))
      expect(Object.keys(job.metadata.annotations ?? {}).join()).not.toContain("argocd")
  })

  it("roles that need tables make them before they start, so that an installation does not wait for the hooks", async () => {
    const waits = (manifests: ReadonlyArray<Manifest>) =>
      named(manifests, "Deployment").flatMap((workload) =>
        list(at(podOf(workload), "initContainers")).length > 0 ? [workload.metadata.name] : []
      )
    expect(waits(await Chart.render("default"))).toEqual([
      "eco2-character-match",
      "eco2-character-worker",
      "eco2-news-api",
      "eco2-news-worker"
    ])
    // the sidecar starts after it, so there its traffic could not pass
    expect(waits(await Chart.render("istio"))).toEqual([])
  })

  it("every pod waits for a sidecar that starts beside it: without it the first connections would fail", async () => {
    const held = async (changes: Tree) =>
      workloads(await Chart.render("istio", changes))
        .filter((one) => ofProject(one) && one.kind !== "Pod")
        .map((one) => at(one, "spec", "template", "metadata", "annotations", "proxy.istio.io/config"))
    const beside = await held({})
    expect(beside.length).toBeGreaterThan(7)
    expect(new Set(beside)).toEqual(new Set(['{"holdApplicationUntilProxyStarts": true}']))
    // a native sidecar starts before the containers
    expect(new Set(await held({ istio: { nativeSidecars: true } }))).toEqual(new Set([undefined]))
  })

  it("hooks end their sidecar where it does not end by itself", async () => {
    const words = async (changes: Tree) => at(podOf((await jobs("istio", changes))[0]!), "containers", 0, "args", 0)
    expect(await words({})).toBe("/hook/hook.mjs")
    expect(await words({ istio: { nativeSidecars: true } })).toBe("deploy/cli/main.ts")
    const [test] = named(await Chart.render("istio"), "Pod")
    expect(at(test, "spec", "containers", 0, "args")).toEqual(["/test/hook.mjs", "/test/scan.mjs"])
  })
})

describe.skipIf(Chart.missing)("monitoring", () => {
  it("metrics are scraped on the port that has them", async () => {
    const [monitor] = named(await Chart.render("production-keda"), "ServiceMonitor")
    expect(at(monitor, "spec", "endpoints", 0)).toMatchObject({ port: "admin", path: "/metrics" })
  })

  it("runbooks are absolute behind the address that is set, and relative without one", async () => {
    const urls = async (runbooks: string) => {
      const changes = { monitoring: { rules: { enabled: true, runbooks } } }
      const [rule] = named(await Chart.render("default", changes), "PrometheusRule")
      return new Set(JSON.stringify(rule).match(/"runbook_url":"[^#"]*/g))
    }
    const file = "docs/operations/alerts.md"
    expect(await urls("")).toEqual(new Set([`"runbook_url":"${file}`]))
    expect(await urls("https://git.example/eco2/")).toEqual(
      new Set([`"runbook_url":"https://git.example/eco2/${file}`])
    )
  })

  it("what follows from a cause is silenced by an AlertmanagerConfig with the rules of inhibitions.yaml", async () => {
    const causes: ReadonlyArray<{ readonly cause: string; readonly followers: ReadonlyArray<string> }> = parse(
      readFileSync(`${Chart.folder}/files/inhibitions.yaml`, "utf8")
    )
    const [config] = named(await Chart.render("production-keda"), "AlertmanagerConfig")
    expect(config).toMatchObject({
      spec: {
        inhibitRules: causes.map(({ cause, followers }) => ({
          sourceMatch: [{ name: "alertname", value: cause, matchType: "=" }],
          targetMatch: [{ name: "alertname", value: followers.join("|"), matchType: "=~" }],
          equal: ["namespace"]
        }))
      }
    })
  })

  it("monitoring brings the alerts and every dashboard, with the labels set", async () => {
    const manifests = await Chart.render("production-keda")
    const [rule] = named(manifests, "PrometheusRule")
    expect(list(at(rule, "spec", "groups")).length).toBeGreaterThan(0)
    expect(rule?.metadata.labels.release).toBe("prometheus")
    const dashboards = named(manifests, "ConfigMap").filter(({ metadata }) => metadata.labels.grafana_dashboard === "1")
    expect(dashboards.length).toBeGreaterThan(0)
    for (const { data } of dashboards)
      for (const text of Object.values(data as Tree)) expect(JSON.parse(String(text))).toHaveProperty("panels")
  })
})
