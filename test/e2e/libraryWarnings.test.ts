/** A role writes lines of its log and nothing else, also when the Redis driver prints. */
import { expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { simulatedOnly } from "../gateway/Serving.ts"
import * as Process from "../harness/Process.ts"

it("a role whose user may not read INFO logs the driver's warning once, and nothing reaches stderr raw", async () => {
  const server = await RedisServer.start({ args: ["--user", "eco2", "on", ">a", "~*", "&*", "+@all", "-info"] })
  const url = `redis://eco2:a@127.0.0.1:${server.port}`
  const gateway = await Process.start("gateway", { ...simulatedOnly, AUTH_MODE: "header", REDIS_URL: url })
  const output = gateway.output().split("\n")
  await gateway.stop()
  await server.stop()
  expect(output.filter((line) => !line.startsWith("{"))).toEqual([])
  const warnings = gateway.logs.filter(({ msg }) => msg === "library warning")
  expect(warnings.map(({ level, warning }) => `${String(level)} ${String(warning).slice(0, 27)}`)).toEqual([
    "warn Skipping the ready check be"
  ])
})
