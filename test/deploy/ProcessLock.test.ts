/** ProcessLock: a lock that cannot be read is not taken over. LocalRedis.test.ts tests the rest. */
import { expect, it, onTestFinished } from "vitest"
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { take } from "../../scripts/ProcessLock.mjs"

const folder = () => {
  const directory = mkdtempSync(join(tmpdir(), "eco2-lock-"))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

it("a lock whose holder cannot be read is left as it is, and the reason is thrown", () => {
  const lock = join(folder(), "lock")
  mkdirSync(join(lock, "holder.json"), { recursive: true })
  expect(() => take(lock)).toThrow(/EISDIR/)
  expect(existsSync(join(lock, "holder.json"))).toBe(true)
})

it("a lock that was half written is taken over", () => {
  const lock = join(folder(), "lock")
  mkdirSync(lock)
  writeFileSync(join(lock, "holder.json"), '{"pid":')
  expect(take(lock)).toMatchObject({ taken: true })
})
