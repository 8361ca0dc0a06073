/** The version that processes tell is that of the packages. */
import { expect, it } from "vitest"
import { files, read } from "../../harness/Documents.ts"
import { version } from "../../../packages/core/src/telemetry/Version.ts"

it("the version that processes tell is that of every package", () => {
  const packages = files("package.json", "packages/*/package.json", "deploy/cli/package.json")
  expect(packages.length).toBeGreaterThan(4)
  for (const path of packages) expect([path, JSON.parse(read(path)).version]).toEqual([path, version])
})
