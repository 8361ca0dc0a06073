/**
 * Fleet: the processes of a run in their places (workers, submitter, gateway) around a Redis (Backend), each behind a proxy of
 * its own where that Redis is a single server; and the faults that disturb them. Every disturbance is recorded with its times,
 * because the verification checks whether one explains a second call.
 */
import { FaultProxy } from "@eco2/core/testing"
import { setTimeout as delay } from "node:timers/promises"
import type { Backend } from "./Backend.ts"
import * as Child from "./Child.ts"
import type { Line } from "./Child.ts"
import type { Fault } from "./Plan.ts"

/** Epoch milliseconds; `to` is Infinity while it lasts. */
export interface Disturbance {
  readonly place: string
  readonly kind: string
  readonly from: number
  to: number
}

export interface Options {
  readonly backend: Backend
  readonly workers: number
  readonly leaseMillis: number
  readonly modelUrl: string
  readonly settings: Readonly<Record<string, string>>
  /** The submitter's environment for a start now. */
  readonly submitter: () => Readonly<Record<string, string>>
  readonly heard: (place: string, line: Line) => void
}

interface Place {
  readonly name: string
  /** Null where the Redis is more than one server. */
  readonly proxy: FaultProxy.FaultProxy | null
  readonly launch: () => Promise<void>
  child: Child.Child | undefined
  /** Whether the child has begun to serve; before, SIGTERM ends it by itself. */
  serves: boolean
  address: string
  /** Runs one fault at a time. */
  turn: Promise<void>
}

export interface Fleet {
  readonly backend: Backend
  readonly disturbances: ReadonlyArray<Disturbance>
  readonly exitCodes: ReadonlyArray<{ readonly place: string; readonly code: number | null }>
  /** The gateway's current address. */
  readonly gateway: () => string
  readonly start: () => Promise<void>
  readonly startSubmitter: () => Promise<void>
  readonly submitterEnded: () => Promise<void>
  readonly inject: (fault: Fault) => Promise<void>
  /** SIGTERM to every worker at once; settles when all have ended. */
  readonly stopWorkers: () => Promise<void>
  readonly stop: () => Promise<void>
}

const relaunchMillis = 500
const entries = {
  worker: "test/fault/worker.ts",
  gateway: "packages/gateway/src/main.ts",
  submitter: "test/fault/submitter.ts"
}

export const make = async (options: Options): Promise<Fleet> => {
  const { backend } = options
  const disturbances: Array<Disturbance> = []
  let stopping = false
  const exitCodes: Array<{ place: string; code: number | null }> = []
  const places = new Map<string, Place>()

  const disturb = async (place: string, kind: string, work: () => Promise<void>) => {
    const disturbance: Disturbance = { place, kind, from: Date.now(), to: Infinity }
    disturbances.push(disturbance)
    try {
      await work()
    } finally {
      disturbance.to = Date.now()
    }
  }

  /** Runs after the work under way at this place. */
  const inTurn = (place: Place, work: () => Promise<void>): Promise<void> => {
    const turn = place.turn.then(work)
    place.turn = turn.catch(() => undefined)
    return turn
  }

  const addPlace = async (name: string, file: string, env: () => Readonly<Record<string, string>>, serves: boolean) => {
    const proxy = backend.port === null ? null : await FaultProxy.start(backend.port)
    const place: Place = {
      name,
      proxy,
      child: undefined,
      serves: false,
      address: "",
      turn: Promise.resolve(),
      launch: async () => {
        const child = Child.start({
          name,
          file,
          env: { REDIS_URL: proxy?.url ?? backend.url, ...backend.settings, ...options.settings, ...env() },
          hear: (line) => options.heard(name, line)
        })
        place.child = child
        place.serves = false
        const again = async () => {
          await delay(relaunchMillis)
          if (place.child === child && !stopping) await place.launch()
        }
        // one that ends by itself, because Redis refuses it at its start, is started again, as an orchestrator does
        void child.exited.then((code) => (code === null || code === 0 ? undefined : inTurn(place, again)))
        if (!serves) return
        const serving = await child.said((line) => line.msg === "serving")
        if (serving === null) return
        place.address = String(serving.address)
        place.serves = true
      }
    }
    places.set(name, place)
    return place
  }
  const workers: Array<Place> = []
  for (let i = 0; i < options.workers; i++) {
    const name = `worker-${i}`
    const env = () => ({ MODEL_URL: options.modelUrl, WORKER: name })
    workers.push(await addPlace(name, entries.worker, env, true))
  }
  const gateway = await addPlace(
    "gateway",
    entries.gateway,
    () => ({
      AUTH_MODE: "header",
      OPENAI_MODELS: "",
      GEMINI_MODELS: "",
      SIMULATED_MODEL: "true",
      KEEPALIVE: "500 millis",
      LOG_LEVEL: "info"
    }),
    true
  )
  const submitter = await addPlace("submitter", entries.submitter, options.submitter, false)

  const replace = async (place: Place, signal: "SIGKILL" | "SIGTERM", pauseMillis: number) => {
    const old = place.child
    const judged = signal === "SIGTERM" && place.serves
    old?.signal(signal)
    const code = await old?.exited
    if (judged) exitCodes.push({ place: place.name, code: code ?? null })
    await delay(pauseMillis)
    await place.launch()
  }

  const byProxy = async ({ byMillis, forMillis, kind }: Fault, { name, proxy }: Place) => {
    if (proxy === null) throw new Error(`${kind} needs a proxy before ${name}`)
    if (kind === "cut") return proxy.cut()
    if (kind === "refuse") proxy.refuse()
    else if (kind === "silence") proxy.hold()
    else if (kind === "slow") proxy.slow(byMillis)
    else proxy.mute()
    await delay(forMillis)
    // the withheld answers are lost with their connections
    if (kind === "mute") proxy.cut()
    proxy.heal()
  }

  const roll = async () => {
    for (const place of workers) {
      await inTurn(place, () => disturb(place.name, "rolling", () => replace(place, "SIGTERM", 0)))
    }
  }

  return {
    backend,
    disturbances,
    exitCodes,
    gateway: () => gateway.address,
    start: async () => {
      await Promise.all([...workers, gateway].map((place) => place.launch()))
    },
    startSubmitter: () => submitter.launch(),
    submitterEnded: async () => {
      for (;;) {
        await submitter.turn
        const child = submitter.child
        const code = await child?.exited
        await submitter.turn
        if (submitter.child === child && code === 0) return
        if (submitter.child === child) throw new Error(`the submitter ended with ${code}`)
      }
    },
    inject: (fault) => {
      if (fault.kind === "rolling") return roll()
      const place = places.get(fault.victim)
      if (place === undefined) return disturb("redis", fault.kind, () => backend.inject(fault))
      return inTurn(place, () =>
        disturb(place.name, fault.kind, async () => {
          if (fault.kind === "kill") {
            // nothing left to submit: there is no process to kill
            if (place === submitter && (await Promise.race([place.child?.exited, delay(0, "living")])) !== "living")
              return
            return replace(place, "SIGKILL", fault.forMillis)
          }
          if (fault.kind !== "freeze") return byProxy(fault, place)
          place.child?.signal("SIGSTOP")
          await delay(fault.forMillis)
          place.child?.signal("SIGCONT")
        })
      )
    },
    stopWorkers: async () => {
      stopping = true
      await Promise.all(
        workers.map(async ({ child, name, serves }) => {
          child?.signal("SIGTERM")
          const code = (await child?.exited) ?? null
          if (serves) exitCodes.push({ place: name, code })
        })
      )
    },
    stop: async () => {
      stopping = true
      for (const { child } of places.values()) child?.signal("SIGKILL")
      for (const { child } of places.values()) await child?.exited
      for (const { proxy } of places.values()) await proxy?.close()
      await backend.stop()
    }
  }
}
