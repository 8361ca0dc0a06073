/**
 * ServerInfo: what one server says of itself in INFO (on a Cluster with CLUSTER INFO behind it), and what of that we go by:
 * whether it is fit to hold jobs (Suitability), whether it is full, a replica, loading (RedisHealth), how full (MemoryUse).
 * Redis, Valkey and what speaks like them: a field they do not tell is undefined, and never taken for trouble.
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

/** The oldest release whose commands and scripts we use. Valkey tells the Redis release it is compatible with. */
const oldestMajor = 7

/** Why its release will not do; empty where it does, or is not told. */
export const tooOld = ({ field, server }: ServerInfo): ReadonlyArray<string> => {
  const version = field("redis_version")
  return version !== undefined && Number.parseInt(version, 10) < oldestMajor
    ? [`${server} is Redis ${version}, and ${oldestMajor}.0 or newer is needed (Valkey will do)`]
    : []
}

/** That it deletes what it was given when memory is short; empty where it does not, or does not tell. */
export const evicting = ({ field, server }: ServerInfo): ReadonlyArray<string> => {
  const policy = field("maxmemory_policy")
  // with a time limit too: an ended job has one, and would be gone before its client has asked for it
  return policy !== undefined && policy !== "noeviction"
    ? [`${server} has maxmemory-policy ${policy}, which deletes jobs when memory is short, and noeviction is needed`]
    : []
}

/** Why this server must not be trusted with jobs; empty where nothing speaks against it. */
export const objections = (info: ServerInfo): ReadonlyArray<string> => [...tooOld(info), ...evicting(info)]

/** What it does not tell, so that it cannot be judged. */
export const untold = ({ field }: ServerInfo): ReadonlyArray<string> =>
  ["redis_version", "maxmemory_policy"].filter((name) => field(name) === undefined)

const number = ({ field }: ServerInfo, name: string): number => Number(field(name) ?? 0)

/** Bytes the server holds against maxmemory, as it reckons them, and maxmemory itself; 0 where no limit is set. */
export const memory = (info: ServerInfo): { readonly used: number; readonly limit: number } => ({
  used: number(info, "used_memory") - number(info, "mem_not_counted_for_evict"),
  limit: number(info, "maxmemory")
})

/** Share of maxmemory in use as the server reckons it, 0 to 1 and beyond; 0 where no limit is set. */
export const memoryShare = (info: ServerInfo): number => {
  const { limit, used } = memory(info)
  return limit === 0 ? 0 : used / limit
}

/** The server that is full first: by share of its limit, by bytes where no limit is set. */
export const fullest = (servers: ReadonlyArray<ServerInfo>): ServerInfo | undefined =>
  servers.toSorted((a, b) => memoryShare(b) - memoryShare(a) || memory(b).used - memory(a).used)[0]

export const isFull = (info: ServerInfo): boolean => memoryShare(info) > 1
export const isReplica = (info: ServerInfo): boolean => info.field("role") === "slave"
export const lacksMaster = (info: ServerInfo): boolean => isReplica(info) && info.field("master_link_status") !== "up"
export const isLoading = (info: ServerInfo): boolean => number(info, "loading") > 0
export const isClusterDown = (info: ServerInfo): boolean => info.field("cluster_state") === "fail"
