/**
 * Contender: the floor. The project's scripts, keys and live stream, driven by plain Node and ioredis, without what a user gets
 * beside them: no schemas, leases, retries, time-outs, logs or metrics. What the runtime costs is the difference to it.
 * `node floor.ts worker|submitter <redis port>`. It ends with an error when a script's answer is not the usual one.
 */
import { Redis } from "ioredis"
import { randomUUID } from "node:crypto"
import * as JobScripts from "../../packages/core/src/job/JobScripts.ts"
import { partitionOf, tags } from "../../packages/core/src/redis/Keys.ts"
import { cpuMillis, input, onCommand, output, percentile, report, stages } from "./Workload.ts"

const [role = "worker", port = "6379"] = process.argv.slice(2)
const partitions = 4
const slots = 100
const mostTogether = 32
const roots = tags(partitions).map((tag) => `eco2:{${tag}}`)
const mailbox = (stage: string) => `bench.${stage}`
const connect = () => new Redis({ host: "127.0.0.1", port: Number(port), maxRetriesPerRequest: null, protocol: 2 })

type Words = ReadonlyArray<string | number>
const commands = connect()
const blocking = connect()
/** Commands of one tick leave in one write, as the project's own do. */
const run = (script: { readonly name: string; readonly lua: string }) => {
  commands.defineCommand(script.name, { lua: script.lua, numberOfKeys: 1 })
  return (root: string, words: Words): Promise<ReadonlyArray<ReadonlyArray<string | number>>> => {
    const { stream } = commands
    if (stream !== undefined && stream.writableCorked === 0) {
      stream.cork()
      process.nextTick(() => stream.uncork())
    }
    return Reflect.get(commands, script.name).call(commands, root, ...words)
  }
}
const fail = (what: unknown): never => {
  process.stderr.write(`floor: unexpected ${JSON.stringify(what)}\n`)
  process.exit(1)
}

/** Calls of one tick and partition go together. */
const together = <A>(send: (batch: ReadonlyArray<A>) => Promise<ReadonlyArray<ReadonlyArray<string | number>>>) => {
  let waiting: Array<{ readonly item: A; readonly answered: (answer: ReadonlyArray<string | number>) => void }> = []
  const flush = () => {
    const all = waiting
    waiting = []
    for (let i = 0; i < all.length; i += mostTogether) {
      const batch = all.slice(i, i + mostTogether)
      void send(batch.map(({ item }) => item)).then((answers) =>
        batch.forEach(({ answered }, n) => answered(answers[n] ?? fail(answers)))
      )
    }
  }
  return (item: A, answered: (answer: ReadonlyArray<string | number>) => void) => {
    if (waiting.length === 0) setImmediate(flush)
    waiting.push({ item, answered })
  }
}

if (role === "worker") {
  const begin = run(JobScripts.begin)
  const commit = run(JobScripts.commit)
  const streams = roots.flatMap((root, partition) =>
    stages.map((stage, at) => ({ key: `${root}:mailbox:${mailbox(stage)}`, partition, at }))
  )
  const byKey = new Map(streams.map((stream) => [stream.key, stream]))
  for (const { key } of streams) await commands.xgroup("CREATE", key, "workers", "0", "MKSTREAM").catch(() => null)
  const steps = stages.map((stage, i) => {
    const next = stages[i + 1]
    return `${stage} ${25 * (i + 1)} - ${next ?? "-"} ${next === undefined ? "-" : mailbox(next)}`
  })
  const commits = roots.map((root) =>
    together((batch: ReadonlyArray<Words>) => commit(root, [0, 3_600_000, 100, ...batch.flat()]))
  )
  let free = slots
  let begins = 0
  let wake = () => {}
  const work = (partition: number, id: string, current: string, token: string, at: number) => {
    const stage = stages[at + 1]
    const keep = stage === undefined ? "" : `w:${stage}.${begins++}`
    commits[partition]!([id, current, token, steps[at]!, keep, JSON.stringify(output), 0], ([outcome]) => {
      if (outcome === "kept") return work(partition, id, current, keep, at + 1)
      if (outcome !== "ended") fail(outcome)
      free++
      wake()
    })
  }
  const read = async () => {
    for (;;) {
      if (free <= 0) await new Promise<void>((resolve) => (wake = resolve))
      const reply = (await blocking.call(
        "XREADGROUP",
        ...["GROUP", "workers", "w", "COUNT", Math.max(1, Math.floor(free / partitions)), "BLOCK", 20_000, "STREAMS"],
        ...streams.map(({ key }) => key),
        ...streams.map(() => ">")
      )) as ReadonlyArray<readonly [string, ReadonlyArray<readonly [string, ReadonlyArray<string>]>]> | null
      for (const [key, entries] of reply ?? []) {
        const { at, partition } = byKey.get(key)!
        free -= entries.length
        const holdings = entries.map(([entry, fields]) => {
          const stage = stages[at]!
          return [mailbox(stage), stage, entry, fields[1]!, `w:${stage}.${begins++}`, "look"] as const
        })
        void begin(roots[partition]!, [0, 604_800_000, ...holdings.flat()]).then((answers) => {
          for (const [i, [home, , entry, id, token]] of holdings.entries()) {
            const answer = answers[i]
            if (answer?.[0] !== "run") fail(answer)
            // the values of the handler
            const place = answer!.indexOf("input")
            JSON.parse(String(answer![place + 1]))
            work(partition, id, `${home}:${entry}`, token, at)
          }
        })
      }
    }
  }
  void read()
  onCommand((command) => {
    if (command === "usage") report("usage", { cpu: cpuMillis(), rss: process.memoryUsage().rss })
  })
  report("ready")
} else {
  const submit = run(JobScripts.submit)
  const plan = stages.map((stage, i) => `${stage}:${25 * (i + 1)}`).join(" ")
  const submits = roots.map((root) =>
    together((batch: ReadonlyArray<Words>) =>
      submit(root, [0, 3_600_000, 100, 10_000, 0, 0, 1e8, 604_800_000, 100, ...batch.flat()])
    )
  )
  let open = 0
  let started = 0
  let user = 0
  const waiting = new Map<string, () => void>()
  const ended = new Set<string>()
  const submitted = () =>
    new Promise<string>((resolve) => {
      const owner = `user-${user}`
      const partition = partitionOf(owner, partitions)
      let id = randomUUID()
      while (partitionOf(id, partitions) !== partition) id = randomUUID()
      const trace = `00-${randomUUID().replaceAll("-", "")}-${randomUUID().replaceAll("-", "").slice(16)}-01`
      const about = JSON.stringify({ pipeline: "bench", trace, hash: "", plan })
      const words = [id, "", about, "one", "bench.one", JSON.stringify({ ...input, id: user++ }), "", owner, 25_000]
      submits[partition]!(words, ([outcome]) => (outcome === "created" ? resolve(id) : fail(outcome)))
    })
  const follow = async () => {
    const cursors = new Map(roots.map((root) => [`${root}:events`, "0-0"]))
    for (;;) {
      const reply = await blocking.xread(
        ...(["COUNT", 1_000, "BLOCK", 20_000, "STREAMS"] as const),
        ...cursors.keys(),
        ...cursors.values()
      )
      for (const [key, entries] of reply ?? []) {
        for (const [entry, fields] of entries) {
          cursors.set(key, entry)
          let id = ""
          for (const line of fields[1]!.split("\n")) {
            if (!line.startsWith("{")) id = line.split(" ")[0]!
            else if (JSON.parse(line).stage === "done") {
              waiting.get(id)?.()
              if (!waiting.delete(id) && open > 1_000_000) ended.add(id)
              if (--open === 0 && started > 0)
                report("drained", { millis: performance.now() - started, cpu: cpuMillis() })
            }
          }
        }
      }
    }
  }
  void follow()
  onCommand((command, argument) => {
    if (command === "burst") {
      open = argument
      started = performance.now()
      let left = argument
      const lane = async () => {
        while (left-- > 0) await submitted()
      }
      void Promise.all(Array.from({ length: 200 }, lane)).then(() =>
        report("submitted", { millis: performance.now() - started })
      )
    } else if (command === "idle") {
      open = Number.MAX_SAFE_INTEGER
      const once = async () => {
        const from = performance.now()
        const id = await submitted()
        if (!ended.delete(id)) await new Promise<void>((resolve) => waiting.set(id, resolve))
        return performance.now() - from
      }
      const all = async () => {
        const millis: Array<number> = []
        for (let n = 0; n < argument; n++) millis.push(await once())
        report("idle", { p50: percentile(millis.slice(10), 0.5), p99: percentile(millis.slice(10), 0.99) })
      }
      void all()
    } else if (command === "usage") report("usage", { cpu: cpuMillis(), rss: process.memoryUsage().rss })
  })
  report("ready")
}
