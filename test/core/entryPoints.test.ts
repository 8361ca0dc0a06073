/** What an entry point of core loads: its reader's part and no other's. */
import { describe, expect, it } from "vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const script = fileURLToPath(new URL("../harness/loadedModules.ts", import.meta.url))
const loaded = async (specifier: string): Promise<ReadonlyArray<string>> => {
  const { stdout } = await promisify(execFile)(process.execPath, [script, specifier], { maxBuffer: 16 * 1024 * 1024 })
  return JSON.parse(stdout)
}
const file = (path: string) => new URL(`../../${path}`, import.meta.url).href

/** What a client needs none of: reading mailboxes, leases, timers, handlers. */
const handlers = /\/core\/src\/(worker|layers\/Worker|actor\/\w*Behavior|pipeline\/Stage(Behavior|Outcome|Runners))/
/** What the runtime needs none of. */
const outside =
  /\/core\/src\/(http|service|postgres|net|operations|server|testing)\/|\/node_modules\/(pino|postgres|@effect\/platform-node)\/|^node:https?2?$/

describe("an entry point of core", () => {
  it.each(["@eco2/core", "@eco2/core/client", "@eco2/core/redis", "@eco2/core/telemetry", "@eco2/core/operations"])(
    "%s loads no logging library, no Postgres driver and no HTTP",
    async (specifier) => {
      const modules = await loaded(specifier)
      expect(modules.some((url) => url.includes("/core/src/"))).toBe(true)
      const own = new RegExp(`/core/src/${specifier.split("/")[2] ?? "index"}/`)
      expect(modules.filter((url) => outside.test(url) && !own.test(url))).toEqual([])
    }
  )

  it("the operator's API, which the command line imports, loads no logging library and no HTTP server", async () => {
    const modules = await loaded(file("packages/gateway/src/http/OperatorApi.ts"))
    expect(modules.some((url) => url.includes("/core/src/http/Refusal.ts"))).toBe(true)
    expect(modules.filter((url) => /\/node_modules\/(pino|postgres|@effect\/platform-node)\//.test(url))).toEqual([])
  })

  it("@eco2/core/protocol loads no Redis, no HTTP and no index of Effect", async () => {
    const modules = await loaded("@eco2/core/protocol")
    expect(modules.some((url) => url.includes("/core/src/job/Job.ts"))).toBe(true)
    expect(
      modules.filter((url) => /\/ioredis\/|\/core\/src\/(redis|http)\/|\/effect\/dist\/(http\/Http|index)/.test(url))
    ).toEqual([])
  })

  it.each([
    ["@eco2/core/client", "@eco2/core/client"],
    ["the protocol of the scan", "@eco2/actors/protocol"],
    ["the gateway", file("packages/gateway/src/layers.ts")]
  ])("%s loads nothing that works on mailboxes: who submits needs no handler machinery", async (_, specifier) => {
    const modules = await loaded(specifier)
    expect(modules.some((url) => url.includes("/core/src/pipeline/Pipeline.ts"))).toBe(true)
    expect(modules.filter((url) => handlers.test(url))).toEqual([])
  })

  it.each(["packages/core/src/service/Role.ts"])(
    "%s loads no second Redis client, which the index of Effect's platform brings along",
    async (path) => {
      const modules = await loaded(file(path))
      expect(modules.some((url) => url.includes("/node_modules/ioredis/") || url.includes("/core/src/"))).toBe(true)
      expect(modules.filter((url) => /\/node_modules\/@?redis\//.test(url))).toEqual([])
    }
  )
})
