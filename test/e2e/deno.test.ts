/** The same sources under Deno: `npm run start:deno` serves a scan to its end, and news, and stops as `npm start` does. */
import { describe, expect, it, onTestFinished } from "vitest"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { client, dataUrl, field, tinyPng } from "../gateway/ScanClient.ts"
import { until } from "../gateway/Serving.ts"
import * as EventStream from "../harness/EventStream.ts"
import * as NpmScript from "../harness/NpmScript.ts"

const deno = fileURLToPath(new URL("../../node_modules/.bin/deno", import.meta.url))

describe.skipIf(process.platform !== "linux" || !existsSync(deno))("npm run start:deno", () => {
  it("npm run start:deno completes a scan of an uploaded photo, and leaves no process after SIGTERM", async () => {
    const folder = mkdtempSync(join(tmpdir(), "eco2 deno "))
    onTestFinished(() => {
      for (const { pid } of NpmScript.membersOf(folder)) process.kill(pid, "SIGKILL")
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    })
    const start = NpmScript.run("start:deno", {
      PORT: "0",
      ECO2_STATE: folder,
      SIMULATED_VISION_MS: "20",
      SIMULATED_ANSWER_MS: "20"
    })
    const [, address = ""] = await start.waitForLine(/^Eco² is ready at (http:\S+)$/)
    expect((await fetch(`${address}/readyz`)).status).toBe(200)
    const members = NpmScript.membersOf(folder).map(({ command }) => command)
    expect(members.some((command) => /deno.* run -A deploy\/local\/main\.ts/.test(command))).toBe(true)

    const scan = client({ address })
    const id = await scan.accepted({ image_url: dataUrl(tinyPng) })
    const events = await EventStream.watch(scan.eventsUrl(id), { headers: scan.headers })
    expect(EventStream.told(events)).toEqual([
      "queued/started",
      ...["vision", "rule", "answer", "reward"].flatMap((stage) => [`${stage}/started`, `${stage}/completed`]),
      "done/completed"
    ])
    const result = await scan.result(id)
    expect(result.body).toEqual(events.at(-1)?.data.result)
    expect(field(result.body, "status")).toBe("completed")
    // its database runs under Deno too
    const mine = await until(
      () => scan.get("/api/v1/users/me/characters"),
      ({ status }) => status === 200,
      90_000
    )
    expect(mine.body).toEqual([expect.objectContaining({ code: expect.stringMatching(/^char-/) })])
    // and the news it collected meanwhile
    const news = await until(
      () => scan.get("/api/v1/info/news"),
      ({ body, status }) => status === 200 && field(body, "has_more") === true,
      90_000
    )
    expect(field(news.body, "articles")).toHaveLength(10)

    start.terminate()
    expect((await start.exited).code, start.output()).toBe(0)
    expect(NpmScript.membersOf(folder)).toEqual([])
  })
})
