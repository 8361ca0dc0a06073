/**
 * ServerInfo: the INFO of one server (on a Cluster followed by CLUSTER INFO and `cluster_open_slots`) and what is derived from it: whether it meets the
 * requirements (Suitability), whether it is full, a replica or loading (RedisHealth), how full it is (MemoryUse).
 * For Redis, Valkey and compatible servers: a missing field is undefined and is never treated as a fault.
 */

export interface ServerInfo {
  /** `host:port`, as connected to. */
  readonly server: string
  readonly field: (name: string) => string | undefined
}

export const parse = (server: string, text: string): ServerInfo => {
  const fields = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(":")
    if (colon > 0 && !line.startsWith("#")) fields.set(line.slice(0, colon), line.slice(colon + 1))
  }
  return { server, field: (name) => fields.get(name) }
}

/** The oldest supported major release. Valkey reports the Redis release it is compatible with. */
const oldestMajor = 7

/** Why the release is too old; empty when it is not, or is unknown. */
export const tooOld = ({ field, server }: ServerInfo): ReadonlyArray<string> => {
  const version = field("redis_version")
  return version !== undefined && Number.parseInt(version, 10) < oldestMajor
    ? [`${server} is Redis ${version}, and ${oldestMajor}.0 or newer is needed (Valkey will do)`]
    : []
}

/** That the server evicts keys when memory is short; empty when it does not, or the policy is unknown. */
export const evicting = ({ field, server }: ServerInfo): ReadonlyArray<string> => {
  const policy = field("maxmemory_policy")
  // the volatile policies count too: an ended job has a TTL, and would be evicted before its client reads the result
  return policy !== undefined && policy !== "noeviction"
    ? [`${server} has maxmemory-policy ${policy}, which deletes jobs when memory is short, and noeviction is needed`]
    : []
}

/** Why this server must not hold jobs; empty when it may. */
export const objections = (info: ServerInfo): ReadonlyArray<string> => [...tooOld(info), ...evicting(info)]

/** The fields it does not report, so that it cannot be checked. */
export const untold = ({ field }: ServerInfo): ReadonlyArray<string> =>
  ["redis_version", "maxmemory_policy"].filter((name) => field(name) === undefined)

const number = ({ field }: ServerInfo, name: string): number => Number(field(name) ?? 0)

/** Bytes in use as the server counts them against maxmemory, and maxmemory itself; 0 where no limit is set. */
export const memory = (info: ServerInfo): { readonly used: number; readonly limit: number } => ({
  used: number(info, "used_memory") - number(info, "mem_not_counted_for_evict"),
  limit: number(info, "maxmemory")
})

/** Share of maxmemory in use as the server counts it, 0 to 1 and beyond; 0 where no limit is set. */
export const memoryShare = (info: ServerInfo): number => {
  const { limit, used } = memory(info)
  return limit === 0 ? 0 : used / limit
}

/** The fullest server: by share of its limit, or by bytes where no limit is set. */
export const fullest = (servers: ReadonlyArray<ServerInfo>): ServerInfo | undefined =>
  servers.toSorted((a, b) => memoryShare(b) - memoryShare(a) || memory(b).used - memory(a).used)[0]

export const isFull = (info: ServerInfo): boolean => memoryShare(info) > 1
export const isReplica = (info: ServerInfo): boolean => info.field("role") === "slave"
export const lacksMaster = (info: ServerInfo): boolean => isReplica(info) && info.field("master_link_status") !== "up"
export const isLoading = (info: ServerInfo): boolean => number(info, "loading") > 0
export const hasOpenSlots = (info: ServerInfo): boolean => number(info, "cluster_open_slots") > 0
export const isClusterDown = (info: ServerInfo): boolean => info.field("cluster_state") === "fail"
