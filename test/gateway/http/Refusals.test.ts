/**
 * A Redis that refuses: clients of a gateway get 503 and the true reason, its /readyz is 503 with Redis's own words while it
 * lasts, and the log says so once.
 */
import { describe, expect, it } from "vitest"
import { setTimeout as delay } from "node:timers/promises"
import * as Refusals from "../../harness/Refusals.ts"
import { client, field, photo } from "../ScanClient.ts"
import { simulatedOnly, start, until } from "../Serving.ts"

const reasons: Readonly<Record<string, string>> = {
  NOREPLICAS: "the store has too few replicas to take writes (NOREPLICAS); try again later",
  MISCONF: "the store cannot save to its disk and takes no writes (MISCONF); try again later",
  BUSY: "the store is busy with a script (BUSY); try again later",
  NOPERM: "the store does not permit it (NOPERM); try again later",
  NOAUTH: "the store does not let this service in (NOAUTH); try again later",
  WRONGPASS: "the store does not let this service in (WRONGPASS); try again later",
  DENIED: "the store does not let this service in (DENIED); try again later",
  ERR: "the store refuses commands now (ERR); try again later"
}

describe.concurrent("a gateway", { timeout: 60_000 }, () => {
  it.each(Refusals.names.filter(Refusals.isPossible))(
    "A4 %s – a submit is answered with 503 and the reason, and /readyz fails until it is over",
    async (name) => {
      const redis = await Refusals.start(name)
      const gateway = await start("gateway", { ...simulatedOnly, REDIS_URL: redis.url, AUTH_MODE: "none" })
      try {
        const ann = client(gateway)
        const ready = async () => read(await fetch(`${gateway.address}/readyz`))
        const read = async (response: Response) => ({ status: response.status, body: await response.text() })
        await ann.accepted()
        await redis.begin()
        const refused = await until(
          () => ann.submit({ image_url: photo }),
          ({ body, status }) => status === 503 && field(body, "code") === "STORAGE_REFUSED"
        )
        expect(field(refused.body, "detail")).toBe(reasons[redis.code])
        expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0)
        const unready = await until(ready, ({ body, status }) => status === 503 && body.includes(`: ${redis.code} `))
        // nothing is sent now, and the refusal lasts all the same
        await delay(3_000)
        expect((await ready()).body).toBe(unready.body)
        await redis.end()
        await until(ready, ({ status }) => status === 200, 20_000)
        await ann.accepted()
        const said = gateway.logs.filter(({ error }) => String(error).startsWith(`${redis.code} `))
        // of a connection that is made meanwhile and refused too, another line of its own
        expect(new Set(said.map(({ level }) => level))).toEqual(new Set(["Warn"]))
        expect(new Set(said.map(({ msg }) => msg)).size).toBe(said.length)
        const others = gateway.logs.filter(
          ({ level, msg }) =>
            level !== "Info" && !String(msg).startsWith("redis ") && !String(msg).startsWith("the event loop stalled")
        )
        expect(others).toEqual([])
      } finally {
        await gateway.stop()
        await redis.stop()
      }
    }
  )
})
