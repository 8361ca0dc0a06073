/**
 * OpsWords: words and numbers of the operators' calls, for those that need them before a call is made: the command line's flags.
 * It imports nothing, so that help and a wrong flag cost no schema of a call. Neighbour: OpsApi.
 */
/** The states by which jobs are listed. */
export const jobStates = [
  "open",
  "ended",
  "lane",
  "waiting",
  "running",
  "delayed",
  "parked",
  "done",
  "failed",
  "cancelled"
] as const
/** The states of jobs that can be cancelled. */
export const openStates = ["open", "lane", "waiting", "running", "delayed", "parked"] as const

/** Items in an answer when the query names no number. */
export const usualLimit = 100
export const mostLimit = 1_000
