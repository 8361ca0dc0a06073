/** deploy/compose: is valid in Compose's format, names what exists, and is reachable only from its own machine. */
import { accessSync, constants, existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { describe, expect, it } from "vitest"
import { Schema } from "effect"
import { parse } from "yaml"
import * as Dockerfile from "../harness/Dockerfile.ts"
import { checkout, dockerfile } from "../harness/ImageFolder.ts"
import { entries } from "../harness/Process.ts"

const path = join(checkout, "deploy/compose/compose.yaml")
const text = readFileSync(path, "utf8")
const settings = new Set(
  [...readFileSync(join(checkout, ".env.example"), "utf8").matchAll(/^#([A-Z][A-Z0-9_]*)=/gm)].map(([, name]) => name)
)

const pattern = (form: RegExp) => Schema.String.check(Schema.isPattern(form))
const Words = Schema.Array(Schema.String)
const Seconds = pattern(/^\d+s$/)
/** Some readers would parse numbers and booleans as such, and others as text. */
const Environment = Schema.Record(pattern(/^[A-Z][A-Z0-9_]*$/), Schema.String)
const Volume = pattern(/^([a-z]+|\.{1,2}\/\S+):\/[^:]+(:ro)?$/)
const DependsOn = Schema.Union([
  Words,
  Schema.Record(
    Schema.String,
    Schema.Struct({
      condition: Schema.Literals(["service_started", "service_healthy", "service_completed_successfully"])
    })
  )
])
const Healthcheck = Schema.Union([
  Schema.Struct({ disable: Schema.Literal(true) }),
  Schema.Struct({
    test: Schema.TupleWithRest(Schema.Tuple([Schema.Literals(["CMD", "CMD-SHELL"])]), [Schema.String]),
    interval: Schema.optional(Seconds),
    timeout: Schema.optional(Seconds),
    start_period: Schema.optional(Seconds),
    retries: Schema.optional(Schema.Int)
  })
])
/** The fields of a service that are used here, after https://docs.docker.com/reference/compose-file/services/. */
const Service = Schema.Struct({
  image: pattern(/^[a-z0-9/.-]+(:[a-z0-9.-]+)?$/),
  build: Schema.optional(Schema.Struct({ context: Schema.String, dockerfile: Schema.String })),
  command: Schema.optional(Words),
  restart: Schema.optional(Schema.Literals(["no", "always", "on-failure", "unless-stopped"])),
  read_only: Schema.optional(Schema.Boolean),
  tmpfs: Schema.optional(Words),
  cap_drop: Schema.optional(Words),
  security_opt: Schema.optional(Words),
  stop_grace_period: Schema.optional(Seconds),
  env_file: Schema.optional(Schema.Array(Schema.Struct({ path: Schema.String, required: Schema.Boolean }))),
  environment: Schema.optional(Environment),
  profiles: Schema.optional(Words),
  ports: Schema.optional(Schema.Array(pattern(/^127\.0\.0\.1:\$\{[A-Z0-9_]+:-\d+\}:\d+$/))),
  volumes: Schema.optional(Schema.Array(Volume)),
  depends_on: Schema.optional(DependsOn),
  healthcheck: Schema.optional(Healthcheck)
})
const File = Schema.Struct({
  name: Schema.String,
  services: Schema.Record(Schema.String, Service),
  volumes: Schema.Record(Schema.String, Schema.Struct({}))
})

const raw: unknown = parse(text, { merge: true })
const isExtension = (name: string) => name.startsWith("x-")
const whole = Object.fromEntries(Object.entries(Object(raw)).filter(([name]) => !isExtension(name)))
const file = Schema.decodeUnknownSync(File)(whole, { onExcessProperty: "error", errors: "all" })
const services = Object.entries(file.services)
const ours = services.filter(([, { build }]) => build !== undefined)
const beside = (relative: string) => join(dirname(path), relative)
/** Variables that Compose fills in, with any default. */
const interpolated = [...text.matchAll(/\$\{([A-Z][A-Z0-9_]*)/g)].map(([, name = ""]) => name)
/** Used by this file alone, not by the roles. */
const ofCompose = ["POSTGRES_PASSWORD", "ECO2_PORT", "PROMETHEUS_PORT", "ALERTMANAGER_PORT", "GRAFANA_PORT"]

describe("deploy/compose/compose.yaml", () => {
  it("compose runs every role but `all`, each by a file that the image has", () => {
    const mains = ours.map(([, { command }]) => command?.[0] ?? "")
    const { all: _, ...roles } = entries
    expect(Object.fromEntries(ours.slice(0, 7).map(([name, { command }]) => [name, command?.[0]]))).toEqual(roles)
    expect(mains.filter((main) => !existsSync(join(checkout, main)))).toEqual([])
    const copied = Dockerfile.copiesOf(dockerfile().stages.at(-1)!).flatMap(({ sources }) => sources)
    expect(mains.filter((main) => !copied.some((source) => main.startsWith(source)))).toEqual([])
  })

  it("compose sets and asks for settings that the code reads, and its own are in the documentation", () => {
    const set = ours.flatMap(([, { environment = {} }]) => Object.keys(environment))
    expect(set.filter((name) => !settings.has(name))).toEqual([])
    expect(interpolated.filter((name) => !settings.has(name) && !ofCompose.includes(name))).toEqual([])
    const operations = readFileSync(join(checkout, "docs/operations/containers.md"), "utf8")
    for (const name of ofCompose) expect([name, operations.includes(`\`${name}\``)]).toEqual([name, true])
  })

  it("compose has no secret that is known: each is required, and nobody signs in to Grafana", () => {
    const isSecret = (name: string) => /(SECRET|PASSWORD|_KEY|TOKEN)$/.test(name)
    const required = (value: string) => value.replaceAll(/\$\{[A-Z_]+:\?[^}]+\}/g, "<required>")
    const set = services.flatMap(([, { environment = {} }]) => Object.entries(environment))
    const secrets = set.filter(([name]) => isSecret(name)).map(([name, value]) => `${name}=${required(value)}`)
    expect([...new Set(secrets)].toSorted()).toEqual(["INTERNAL_SECRET=<required>", "POSTGRES_PASSWORD=<required>"])
    const passwords = set.flatMap(([, value]) => /\/\/[^/@]*:([^/@]*)@/.exec(required(value))?.[1] ?? [])
    expect([...new Set(passwords)]).toEqual(["<required>"])
    expect(file.services.grafana?.environment).toMatchObject({
      GF_AUTH_DISABLE_LOGIN_FORM: "true",
      GF_AUTH_BASIC_ENABLED: "false"
    })
  })

  it("compose gives every role a port for metrics and operators, which Prometheus knows and nothing publishes", () => {
    const { all: _, ...roles } = entries
    const port = "8081"
    for (const name of Object.keys(roles))
      expect([name, file.services[name]?.environment?.ADMIN_PORT]).toEqual([name, port])
    expect(services.flatMap(([, { ports = [] }]) => ports).filter((one) => one.endsWith(`:${port}`))).toEqual([])
    expect(readFileSync(beside("prometheus.yaml"), "utf8")).toContain(`port: ${port}`)
    expect(readFileSync(beside("../nginx/eco2.conf"), "utf8")).not.toContain(port)
  })

  it("compose mounts files that exist, and volumes it declares", () => {
    for (const [name, { volumes = [] }] of services) {
      for (const volume of volumes) {
        const source = volume.split(":")[0] ?? ""
        const isThere = source.startsWith(".") ? existsSync(beside(source)) : source in file.volumes
        expect([name, volume, isThere]).toEqual([name, volume, true])
      }
    }
  })

  it("compose mounts nginx's scripts so that its image runs them: executable, between its resolvers and its templates", () => {
    const scripts = (file.services.nginx?.volumes ?? []).filter((volume) => volume.includes("/docker-entrypoint.d/"))
    expect(scripts.map((volume) => volume.split(":")[1])).toEqual(["/docker-entrypoint.d/16-first-resolver.envsh"])
    for (const volume of scripts) accessSync(beside(volume.split(":")[0] ?? ""), constants.X_OK)
  })

  it("compose's services depend on services it has, and those with a database on the migrations", () => {
    for (const [name, { depends_on = {}, environment = {} }] of services) {
      const names = Array.isArray(depends_on) ? depends_on : Object.keys(depends_on)
      expect(names.filter((other) => !(other in file.services))).toEqual([])
      if (environment.DATABASE_URL !== undefined && name !== "migrate")
        expect([name, names]).toEqual([name, expect.arrayContaining(["migrate"])])
    }
  })

  it("compose's roles may write /tmp alone, have no capabilities, and get longer to stop than they need", () => {
    for (const [name, service] of ours) {
      expect([name, service]).toMatchObject([
        name,
        { read_only: true, tmpfs: ["/tmp"], cap_drop: ["ALL"], security_opt: ["no-new-privileges:true"] }
      ])
      expect(Number.parseInt(service.stop_grace_period ?? "0", 10)).toBeGreaterThan(20 + 5)
    }
  })

  it("compose's Redis evicts nothing and keeps its data", () => {
    const words = file.services.redis?.command ?? []
    const after = (word: string) => words[words.indexOf(word) + 1]
    expect([after("--maxmemory-policy"), after("--appendonly")]).toEqual(["noeviction", "yes"])
  })

  it("compose pins every image it does not build to a version", () => {
    const foreign = services.filter(([, { build }]) => build === undefined).map(([, { image }]) => image)
    expect(foreign.filter((image) => !/:v?\d/.test(image))).toEqual([])
  })
})

describe("files that compose mounts", () => {
  const read = (relative: string): unknown => parse(readFileSync(beside(relative), "utf8"))

  it("Prometheus scrapes every role, and has the chart's alerts where it looks for them", () => {
    const scrape = Schema.Struct({
      rule_files: Words,
      alerting: Schema.Struct({
        alertmanagers: Schema.Array(Schema.Struct({ static_configs: Schema.Array(Schema.Struct({ targets: Words })) }))
      }),
      scrape_configs: Schema.Array(
        Schema.Struct({
          job_name: Schema.String,
          dns_sd_configs: Schema.Tuple([Schema.Struct({ names: Words })]),
          relabel_configs: Schema.Tuple([Schema.Struct({ target_label: Schema.String, replacement: Schema.String })])
        })
      )
    })
    const prometheus = Schema.decodeUnknownSync(scrape)(read("prometheus.yaml"))
    const { all: _, ...roles } = entries
    expect(prometheus.scrape_configs.map(({ job_name }) => job_name).toSorted()).toEqual(Object.keys(roles).toSorted())
    for (const { dns_sd_configs, job_name, relabel_configs } of prometheus.scrape_configs) {
      expect(dns_sd_configs[0].names).toEqual([job_name])
      expect(relabel_configs[0]).toMatchObject({ target_label: "eco2_role", replacement: job_name })
    }
    const managers = prometheus.alerting.alertmanagers.flatMap(({ static_configs }) =>
      static_configs.flatMap(({ targets }) => targets)
    )
    expect(managers.map((target) => target.split(":")[0])).toEqual(["alertmanager"])
    expect(file.services.alertmanager).toBeDefined()
    const mounted = file.services.prometheus?.volumes?.map((volume) => volume.split(":")[1])
    expect(mounted).toEqual(expect.arrayContaining([...prometheus.rule_files]))
  })

  it("Grafana has its Prometheus, and its dashboards where they are mounted", () => {
    const sources = Schema.Struct({
      datasources: Schema.Array(Schema.Struct({ type: Schema.String, url: Schema.String }))
    })
    expect(
      Schema.decodeUnknownSync(sources)(read("../grafana/provisioning/datasources/prometheus.yaml")).datasources
    ).toEqual([{ type: "prometheus", url: "http://prometheus:9090" }])
    const providers = Schema.Struct({
      providers: Schema.Array(Schema.Struct({ options: Schema.Struct({ path: Schema.String }) }))
    })
    const [provider] = Schema.decodeUnknownSync(providers)(
      read("../grafana/provisioning/dashboards/eco2.yaml")
    ).providers
    const mounts = file.services.grafana?.volumes?.map((volume) => volume.split(":").slice(0, 2)) ?? []
    expect(mounts).toContainEqual(["../helm/eco2/files/dashboards", provider?.options.path])
  })

  it("nginx passes requests on to services that exist", () => {
    const upstreams = [
      ...readFileSync(beside("../nginx/eco2.conf"), "utf8").matchAll(/^\s*set \$\w+ ([a-z-]+):8080;/gm)
    ]
    expect(upstreams.map(([, name]) => name)).toEqual(["gateway", "news-api"])
    expect(upstreams.filter(([, name = ""]) => !(name in file.services))).toEqual([])
  })
})
