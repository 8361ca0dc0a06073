/**
 * Live progress through nginx with deploy/nginx/eco2.conf. Without a clock it is shown that nothing is held back: the model
 * answers only after the viewer behind nginx has seen the event before its answer. The delay of an event is measured too: two
 * viewers of one job, one of them through nginx.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { RedisServer } from "@eco2/core/testing"
import { Effect } from "effect"
import { client, dataUrl } from "../gateway/ScanClient.ts"
import type { Client } from "../gateway/ScanClient.ts"
import { metric, until } from "../gateway/Serving.ts"
import * as EventStream from "../harness/EventStream.ts"
import * as NameServer from "../harness/NameServer.ts"
import * as Nginx from "../harness/Nginx.ts"
import * as Photos from "../harness/Photos.ts"
import type { Process } from "../harness/Process.ts"
import { send } from "../harness/RawRequest.ts"
import * as System from "./System.ts"

const own = { headers: { "x-user-id": "ann" } }
/** Longer than any of it takes and shorter than a keepalive, so that no keepalive flushes a buffer. */
const patience = { timeout: 14_000 }
const all = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
const started = (stage: string) => (event: EventStream.Event) =>
  event.event === stage && event.data.status === "started"

/** A promise, and the function that resolves it. */
const latch = () => {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

describe.skipIf(!Nginx.isInstalled())("a gateway behind nginx", () => {
  let system: System.System
  let gateways: ReadonlyArray<Process>
  let direct: Client
  const proxies: Array<Nginx.Nginx> = []
  const front = async (otherwise: Readonly<Record<string, string>> = {}, behind = gateways) => {
    const proxy = await Nginx.start({ gateways: behind, otherwise })
    proxies.push(proxy)
    return proxy
  }

  beforeAll(async () => {
    system = await System.start()
    gateways = await Promise.all([system.start("gateway"), system.start("gateway")])
    await system.start("scan-worker")
    direct = client(gateways[0]!, "ann")
  })
  afterAll(async () => {
    await Promise.all(proxies.map((proxy) => proxy.stop()))
    await system.stop()
  })

  /** A job whose model answers when the test says so. */
  const held = async () => {
    const [vision, answer] = [latch(), latch()]
    system.models.next("vision", { _tag: "Held", until: vision.opened })
    system.models.next("answer", { _tag: "Held", until: answer.opened })
    return { id: await direct.accepted(), vision, answer }
  }
  type Open = (url: string) => Promise<EventStream.Following & { readonly encoding: string | null }>
  const http1: Open = async (url) => {
    const stream = await EventStream.open(url, { headers: { ...own.headers, "accept-encoding": "gzip" } })
    expect(stream.response.status).toBe(200)
    return { ...stream, encoding: stream.response.headers.get("content-encoding") }
  }
  const http2: Open = async (url) => {
    const stream = await EventStream.openHttp2(url, own)
    expect(stream.status).toBe(200)
    return { ...stream, encoding: null }
  }

  /** Each model call is answered only after the viewer has seen its stage start: a buffered event blocks for ever. */
  const seesEachBeforeTheNext = async (address: string, open: Open) => {
    const { answer, id, vision } = await held()
    const viewer = await open(client({ address }, "ann").eventsUrl(id))
    await viewer.waitFor(started("vision"))
    vision.open()
    await viewer.waitFor(started("answer"))
    answer.open()
    expect(await viewer.ended).toBe("ended")
    expect(EventStream.seqs(viewer.events)).toEqual(all)
    return viewer
  }

  it.each([
    ["HTTP/1.1", http1, (proxy: Nginx.Nginx) => proxy.address],
    ["HTTP/2", http2, (proxy: Nginx.Nginx) => proxy.http2]
  ] as const)("through nginx over %s each event arrives before the next one", patience, async (_, open, addressOf) => {
    await seesEachBeforeTheNext(addressOf(await front()), open)
  })

  /** With HTTP/1.0, nginx's default towards gateways, it waits for 4 KiB; with HTTP/1.1 it passes chunks on. */
  const oldHttp = { "proxy_http_version 1.1;": "" }
  const gzipAll = { "gzip_types ": "gzip_min_length 1; gzip_types text/event-stream " }

  it.each([
    ["proxy_buffering on", { "proxy_buffering off;": "proxy_buffering on;" }, null],
    [
      "proxy_buffering on over HTTP/1.0: what the gateway says of itself (X-Accel-Buffering) is enough",
      { "proxy_buffering off;": "proxy_buffering on;", ...oldHttp },
      null
    ],
    [
      "a gateway that says nothing, over HTTP/1.0: proxy_buffering off is enough",
      { "proxy_buffering off;": "proxy_buffering off; proxy_ignore_headers X-Accel-Buffering;", ...oldHttp },
      null
    ],
    ["gzip of every type: an event is compressed, and passed on", gzipAll, "gzip"],
    ["all of that at once", { "proxy_buffering off;": "proxy_buffering on;", ...oldHttp, ...gzipAll }, "gzip"]
  ] as const)("an event is not held back with %s", patience, async (_, otherwise, encoding) => {
    const viewer = await seesEachBeforeTheNext((await front(otherwise)).address, http1)
    expect(viewer.encoding).toBe(encoding)
  })

  it("a proxy that buffers the stream is detected: its first event comes after the model was asked for the last", async () => {
    const proxy = await front({
      "proxy_buffering off;": "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;",
      ...oldHttp
    })
    const { answer, id, vision } = await held()
    const beside = await http1(direct.eventsUrl(id))
    // not even the response's head is passed on
    const opening = http1(client(proxy, "ann").eventsUrl(id))
    const viewers = async () => {
      const counts = await Promise.all(gateways.map((gateway) => metric(gateway, "eco2_viewers")))
      return counts.reduce((sum, count) => sum + count, 0)
    }
    await until(viewers, (count) => count === 2)
    vision.open()
    await beside.waitFor(started("answer"))
    const asked = performance.now()
    answer.open()
    const late = await opening
    expect(await late.ended).toBe("ended")
    expect(EventStream.seqs(late.events)).toEqual(all)
    expect(late.arrivals[0]).toBeGreaterThan(asked)
  })

  it("nine of ten events arrive through nginx within 200 ms of those without it", async () => {
    const proxy = await front()
    system.models.setLatency("vision", 60)
    system.models.setLatency("answer", 60)
    const later: Array<number> = []
    for (let job = 0; job < 30; job++) {
      const id = await direct.accepted()
      const viewers = await Promise.all([
        http1(direct.eventsUrl(id)),
        http1(client(proxy, "ann").eventsUrl(id)),
        http2(client({ address: proxy.http2 }, "ann").eventsUrl(id))
      ])
      await Promise.all(viewers.map((viewer) => viewer.ended))
      const [beside, ...through] = viewers.map(({ arrivals, events }) =>
        arrivals.filter((_, at) => events[at]?.event !== "keepalive")
      )
      // the first ones are history and come when the stream opens
      for (const viewer of through) for (let at = 2; at < all.length; at++) later.push(viewer[at]! - beside![at]!)
    }
    system.models.reset()
    const sorted = later.toSorted((one, other) => one - other)
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!.toFixed(1)
    process.stdout.write(
      `through nginx, against without it: ${sorted.length} events, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms\n`
    )
    // with a buffer most would be late, by at least the time of the next stage; the maximum is printed, not judged
    expect(sorted[Math.floor(0.9 * sorted.length)]).toBeLessThan(200)
  })

  it("keepalives hold a silent stream open beyond nginx's read timeout, whose own setting is longer than any KEEPALIVE", async () => {
    const gateway = await system.start("gateway", { KEEPALIVE: "300 millis" })
    const proxy = await front({ "proxy_read_timeout 300s;": "proxy_read_timeout 1s;" }, [gateway])
    const { answer, id, vision } = await held()
    const viewer = await http1(client(proxy, "ann").eventsUrl(id))
    await viewer.waitFor(started("vision"))
    const silent = performance.now()
    let seen = 0
    await viewer.waitFor(({ event }) => event === "keepalive" && ++seen === 5)
    expect(performance.now() - silent).toBeGreaterThan(1_000)
    vision.open()
    answer.open()
    expect(await viewer.ended).toBe("ended")
    expect(EventStream.seqs(viewer.events)).toEqual(all)
    // KEEPALIVE is at most 15 seconds
    const limit = Number(/proxy_read_timeout (\d+)s;/.exec(Nginx.settings)?.[1])
    expect(limit).toBe(300)
    expect(limit).toBeGreaterThan(2 * 15)
  })

  it("a viewer that resumes with Last-Event-ID through nginx gets the events after it, over HTTP/1.1 and HTTP/2", async () => {
    const proxy = await front()
    const { answer, id, vision } = await held()
    const first = await http1(client(proxy, "ann").eventsUrl(id))
    await first.waitFor(started("vision"))
    await first.close()
    vision.open()
    const second = await EventStream.openHttp2(client({ address: proxy.http2 }, "ann").eventsUrl(id), {
      ...own,
      after: 2
    })
    await second.waitFor(started("answer"))
    await second.close()
    answer.open()
    const rest = await EventStream.watch(client(proxy, "ann").eventsUrl(id), {
      ...own,
      after: EventStream.seqs(second.events).at(-1)!
    })
    expect([first, second, { events: rest }].flatMap(({ events }) => EventStream.seqs(events))).toEqual(all)
  })

  it("viewers of a killed gateway resume through nginx at another one, and see each event once", async () => {
    const dying = await system.start("gateway")
    const proxy = await front({}, [dying, gateways[1]!])
    const { answer, id, vision } = await held()
    const url = client(proxy, "ann").eventsUrl(id)
    const streams = await Promise.all(Array.from({ length: 6 }, () => http1(url)))
    await Promise.all(streams.map((stream) => stream.waitFor(started("vision"))))
    await dying.kill9()
    vision.open()
    answer.open()
    const ends = await Promise.all(
      streams.map(async (stream) => {
        const end = await stream.ended
        const seen = EventStream.seqs(stream.events)
        const rest = end === "ended" ? [] : await EventStream.watch(url, { ...own, after: seen.at(-1)! })
        expect([...seen, ...EventStream.seqs(rest)]).toEqual(all)
        return end
      })
    )
    expect(new Set(ends)).toEqual(new Set(["ended", "cut"]))
  })

  it("H1 metrics and internal paths, however they are spelt, are reached through nginx by nobody", async () => {
    const { address } = await front()
    for (const target of [
      ...[
        "/metrics",
        "/console",
        "/METRICS",
        "/metrics;x",
        "/metrics/",
        "//metrics",
        "/%6detrics",
        "/metrics%3bx",
        "/x/../metrics"
      ],
      ...["/./metrics", "/%4detrics", "/metrics%2f", "/metrics?x"],
      ...["/api/v1/internal/ops/mailboxes", "/API/v1/internal/ops/mailboxes", "/api/v1/%49nternal/ops/mailboxes"],
      ...["/api/v1/%69nternal/ops/mailboxes", "/api/v1/internal;x/ops/mailboxes", "/api//v1/internal/ops/mailboxes"],
      ...["/api/v1/INTERNAL/ops/mailboxes", "/api/v1/x/../internal/ops/mailboxes", "/api/v1/internal%2fops/mailboxes"]
    ]) {
      expect([target, (await send(address, target)).status]).toEqual([target, 404])
    }
  })

  it("a gateway that was made anew at another address is found by nginx, without a restart of nginx", async () => {
    let address = "127.0.0.2"
    const play = Effect.gen(function* () {
      const names = yield* NameServer.start((name, kind) => (name === "gateway" && kind === "A" ? [address] : []))
      yield* Effect.promise(async () => {
        const PORT = String(await RedisServer.freePort())
        const proxy = await Nginx.start({
          gateways: [],
          resolver: `${names.at} valid=1s`,
          otherwise: { "gateway:8080": `gateway:${PORT}` }
        })
        proxies.push(proxy)
        const page = async () => (await fetch(`${proxy.address}/healthz`)).status
        const first = await system.start("gateway", { HOST: address, PORT })
        await until(page, (status) => status === 200)
        await first.kill9()
        address = "127.0.0.3"
        await system.start("gateway", { HOST: address, PORT })
        await until(page, (status) => status === 200)
      })
    })
    await Effect.runPromise(Effect.scoped(play))
  })

  it("nginx accepts a photo of 10 MiB", async () => {
    const ann = client(await front(), "ann")
    const photo = dataUrl(Photos.jpegOf(10 * 1024 * 1024 - 10), "image/jpeg")
    expect((await ann.submit({ image_url: photo })).status).not.toBe(413)
  })
})
