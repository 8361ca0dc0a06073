/**
 * CoreConfig: what an operator may set for the runtime. A wrong value stops the process at start and names the variable.
 * Every variable is listed in `.env.example`; a test compares the two.
 */
import { Config, Context, Duration, Effect, Layer } from "effect"
import * as Definition from "./Definition.ts"
import * as Setting from "./Setting.ts"

export interface Values {
  /** Whether a Redis that is too old, or evicts keys, stops the process at start. */
  readonly redisCheck: "refuse" | "warn"
  /** The name of this installation, which claims the data; empty: none. */
  readonly installation: string
  /** Number of partitions of the keyspace; fixed for the life of the data. */
  readonly partitions: number
  /** How long a process counts as alive after its last beat. */
  readonly lease: Duration.Duration
  /** How long an ended job is kept. */
  readonly jobTtl: Duration.Duration
  /** A job still open this long after its submit fails. */
  readonly jobDeadline: Duration.Duration
  /** How long a dead letter and its job are kept. */
  readonly letterTtl: Duration.Duration
  /** How long a stopping process waits for its running work. */
  readonly shutdownGrace: Duration.Duration
  /** Entries a mailbox holds, over all partitions. */
  readonly mailboxCapacity: number
  /** Jobs of one user admitted at once; the rest wait in the user's lane. 0: no limit. */
  readonly userConcurrency: number
  /** Jobs that may wait in one user's lane. */
  readonly laneCapacity: number
  /** Jobs one user may submit in any window of this length; null: no limit. */
  readonly userRate: Setting.Rate | null
  /** Bytes of images of one user's jobs that Redis holds. */
  readonly userImageStorage: number
  /** Replicas that must have a submit before it is acknowledged; 0: none. */
  readonly submitReplicas: number
  /** How long a parked job waits for its next round. */
  readonly redriveInterval: Duration.Duration
  /** Bytes of images that the handlers of one process hold at once. */
  readonly imageMemory: number
  /** Paid calls of one run of a job, free ones apart; 0: any number. */
  readonly maxPaidAttempts: number
  /** What the paid calls of one run of a job may cost; null: any. */
  readonly jobBudget: Setting.Budget | null
  /** Added to Redis's clock by every script; 0 but in tests. */
  readonly clockOffsetMillis: number
}

/**
 * REDIS_CHECK: a Redis older than 7.0, one that evicts, or a user who may not run what we send: `refuse` to start, or `warn` and
 * go on. Default refuse.
 */
export const redisCheck = Setting.oneOf("REDIS_CHECK", { default: "refuse", values: ["refuse", "warn"] })

/** SUBMIT_REPLICAS: replicas of Redis that must have a submit before it is acknowledged; 0 = none. Default 0. */
export const submitReplicas = Setting.integer("SUBMIT_REPLICAS", { default: 0, min: 0, max: 10 })

const variables = Config.all({
  redisCheck,
  /** INSTALLATION: a name that claims the data under KEY_PREFIX; processes with another name, or none, are refused. Default none. */
  installation: Setting.parsed("INSTALLATION", {
    default: "",
    allowed: "at most 200 printable ASCII characters without spaces",
    parse: (text) => (/^[!-~]{1,200}$/.test(text) ? text : undefined)
  }),
  /** PARTITIONS: number of partitions of the keyspace, a multiple of the masters of a Cluster. Default 4. */
  partitions: Setting.integer("PARTITIONS", { default: 4, min: 1, max: 64 }),
  /** LEASE: how long a process counts as alive after its last beat; it beats every third of it. Default 15 seconds. */
  lease: Setting.duration("LEASE", { default: "15 seconds", min: "300 millis" }),
  /** JOB_TTL: how long an ended job is kept. Default 3600 seconds. */
  jobTtl: Setting.duration("JOB_TTL", { default: "1 hour" }),
  /** JOB_DEADLINE: a job still open this long after its submit fails. Default 1 hour. */
  jobDeadline: Setting.duration("JOB_DEADLINE", { default: "1 hour" }),
  /** LETTER_TTL: how long a dead letter and its job are kept. Default 7 days. */
  letterTtl: Setting.duration("LETTER_TTL", { default: "7 days" }),
  /** SHUTDOWN_GRACE: how long a stopping process waits for its running work. Default 20 seconds. */
  shutdownGrace: Setting.duration("SHUTDOWN_GRACE", { default: "20 seconds" }),
  /** MAILBOX_CAPACITY: entries one mailbox may hold over all partitions. Default 100000. */
  mailboxCapacity: Setting.integer("MAILBOX_CAPACITY", { default: 100_000, min: 1, max: 10_000_000 }),
  /** USER_CONCURRENCY: jobs of one user admitted at once, the rest wait their turn; 0 = no limit. Default 100. */
  userConcurrency: Setting.integer("USER_CONCURRENCY", { default: 100, min: 0, max: 1_000_000 }),
  /** LANE_CAPACITY: jobs that may wait in one user's lane; never more than the mailbox then has left. Default 10000. */
  laneCapacity: Setting.integer("LANE_CAPACITY", { default: 10_000, min: 1, max: 1_000_000 }),
  /** USER_RATE: jobs one user may submit, such as 60/minute, in any minute; beyond it submits are refused. Default off. */
  userRate: Setting.rate("USER_RATE", { default: null }),
  /** USER_IMAGE_STORAGE: bytes of images of one user's jobs that Redis holds; beyond it submits are refused. Default 100 MiB. */
  userImageStorage: Setting.byteSize("USER_IMAGE_STORAGE", { default: "100 MiB", min: "16 MiB" }),
  submitReplicas,
  /** REDRIVE_INTERVAL: how long a parked job waits for its next round. Default 5 minutes. */
  redriveInterval: Setting.duration("REDRIVE_INTERVAL", { default: "5 minutes" }),
  /** MAX_PAID_ATTEMPTS: paid calls of one run of a job, calls that turned out free apart; 0 = any number. Default 6. */
  maxPaidAttempts: Setting.integer("MAX_PAID_ATTEMPTS", { default: 6, min: 0, max: 1_000 }),
  /** JOB_BUDGET: what the paid calls of one run of a job may cost: money, as in 0.25, or "50000 tokens". Default off. */
  jobBudget: Setting.budget("JOB_BUDGET"),
  /** IMAGE_MEMORY: bytes of images that the handlers of one process hold at once; other attempts wait. Default 128 MiB. */
  imageMemory: Setting.byteSize("IMAGE_MEMORY", { default: "128 MiB", min: "1 MiB" })
})

/** Throws InvalidDefinition for a value that could never work; the environment has narrower bounds. */
const checked = (values: Values): Values => {
  for (const [field, min, max] of [
    ["partitions", 1, 64],
    ["mailboxCapacity", 1, Number.MAX_SAFE_INTEGER],
    ["userConcurrency", 0, Number.MAX_SAFE_INTEGER],
    ["laneCapacity", 1, Number.MAX_SAFE_INTEGER],
    ["userImageStorage", 1, Number.MAX_SAFE_INTEGER],
    ["imageMemory", 1, Number.MAX_SAFE_INTEGER],
    ["maxPaidAttempts", 0, Number.MAX_SAFE_INTEGER]
  ] as const) {
    Definition.integer("CoreConfig", field, values[field], { min, max })
  }
  for (const [field, min] of [
    ["lease", "1 milli"],
    ["jobTtl", "1 milli"],
    ["jobDeadline", "1 milli"],
    ["letterTtl", "1 milli"],
    ["shutdownGrace", "0 millis"],
    ["redriveInterval", "0 millis"]
  ] as const) {
    Definition.duration("CoreConfig", field, values[field], { min, max: "36500 days" })
  }
  return values
}

export class CoreConfig extends Context.Service<CoreConfig, Values>()("@eco2/core/config/CoreConfig") {
  /** From the environment. */
  static readonly layer: Layer.Layer<CoreConfig, Config.ConfigError> = Layer.effect(
    CoreConfig,
    Effect.gen(function* () {
      return CoreConfig.of({ ...(yield* variables), clockOffsetMillis: 0 })
    })
  )
  /** The defaults with some values replaced: for tests and embedding. Throws InvalidDefinition (`checked`). */
  static layerWith(values: Partial<Values>): Layer.Layer<CoreConfig> {
    return Layer.succeed(
      CoreConfig,
      CoreConfig.of(
        checked({
          redisCheck: "refuse",
          installation: "",
          submitReplicas: 0,
          partitions: 4,
          lease: Duration.seconds(15),
          jobTtl: Duration.hours(1),
          jobDeadline: Duration.hours(1),
          letterTtl: Duration.days(7),
          shutdownGrace: Duration.seconds(20),
          mailboxCapacity: 100_000,
          userConcurrency: 100,
          laneCapacity: 10_000,
          userRate: null,
          userImageStorage: 100 * 1024 * 1024,
          redriveInterval: Duration.minutes(5),
          imageMemory: 128 * 1024 * 1024,
          maxPaidAttempts: 6,
          jobBudget: null,
          clockOffsetMillis: 0,
          ...values
        })
      )
    )
  }
}
