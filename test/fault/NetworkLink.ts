/**
 * NetworkLink: a network namespace and the pair of interfaces that joins it to ours. Taken down, the link partitions the two
 * sides: packets are lost without an answer, as between two zones of a data centre. Linux, as root.
 */
import { execFile, execFileSync } from "node:child_process"
import { promisify } from "node:util"

const run = promisify(execFile)

export interface NetworkLink {
  /** Our address, and theirs. */
  readonly here: string
  readonly there: string
  /** Words before a command, to run it over there. */
  readonly over: ReadonlyArray<string>
  readonly set: (state: "up" | "down") => Promise<void>
  readonly remove: () => Promise<void>
}

const mostNumbers = 16_000
const number = process.pid % mostNumbers
const space = `eco2-${number}`

/** Whether this machine permits network namespaces. */
export const isPermitted = ((): boolean => {
  try {
    execFileSync("ip", ["netns", "add", `${space}-probe`], { stdio: "ignore" })
    execFileSync("ip", ["netns", "del", `${space}-probe`], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})()

/** One for each process. */
export const make = async (): Promise<NetworkLink> => {
  const [ours, theirs] = [`eco2h${number}`, `eco2t${number}`]
  const net = `10.${192 + (number >> 8)}.${number & 255}`
  const [here, there] = [`${net}.1`, `${net}.2`]
  const ip = (...words: ReadonlyArray<string>) => run("ip", words)
  await ip("netns", "add", space)
  await ip("link", "add", ours, "type", "veth", "peer", "name", theirs)
  await ip("link", "set", theirs, "netns", space)
  await ip("addr", "add", `${here}/30`, "dev", ours)
  await ip("link", "set", ours, "up")
  await ip("-n", space, "addr", "add", `${there}/30`, "dev", theirs)
  await ip("-n", space, "link", "set", theirs, "up")
  await ip("-n", space, "link", "set", "lo", "up")
  return {
    here,
    there,
    over: ["ip", "netns", "exec", space],
    set: async (state) => void (await ip("link", "set", ours, state)),
    // the pair goes with the namespace
    remove: async () => void (await ip("netns", "del", space))
  }
}

/** Where namespaces are not permitted: one side only, which cannot be partitioned. */
export const loopback: NetworkLink = {
  here: "127.0.0.1",
  there: "127.0.0.1",
  over: [],
  set: () => Promise.reject(new Error("this machine permits no network namespaces")),
  remove: () => Promise.resolve()
}
