/**
 * StageAttempt: one attempt of a stage, as its handler sees it (StageJob) and the code that it calls (the services Attempt and
 * PaidCalls). What an attempt may use is made when it is first used: most use little of it.
 * Neighbours: StageRun (runs it), StageBehavior (the types of handlers).
 */
import { Effect } from "effect"
import type { CallLedger } from "../job/CallLedger.ts"
import type { JobId } from "../job/Job.ts"
import type { PartialText, Writer } from "../job/PartialText.ts"
import { untimed } from "../mailbox/Attempt.ts"
import type { Attempt } from "../mailbox/Attempt.ts"
import type { Message } from "../mailbox/Mailbox.ts"
import type { RedisError } from "../redis/RedisError.ts"
import type { ActorSystem } from "../worker/ActorSystem.ts"
import type { AttemptImage, JobImages } from "./JobImages.ts"
import * as PaidCalls from "./PaidCalls.ts"
import type { Begun } from "./StageRunners.ts"

/** Facts of the job for its handler, beside the values it reads. */
export interface StageJob<P = never> {
  readonly id: JobId
  /** The user that submitted it; "" for none. */
  readonly owner: string
  /** Counted from 1, as the retry policy counts: a crash of the process costs no attempt. */
  readonly attempt: number
  /** When the job was submitted, epoch milliseconds by Redis's clock. */
  readonly created: number
  /** Milliseconds from the job's submit to this attempt's begin. */
  readonly ageMillis: number
  /** Begins of the job so far, of all its stages: no two runs of a handler for a job have the same number. */
  readonly begins: number
  /**
   * The submitted image's bytes; null once it is deleted. Waits for memory (ImageMemory) within the stage's time-out, and holds
   * it until the attempt ends.
   */
  readonly image: Effect.Effect<Buffer | null, RedisError>
  /** Makes a call that costs money: recorded before it leaves, and with its bill after it (PaidCalls). */
  readonly pay: PaidCalls.PaidCalls["make"]
  /**
   * Shows viewers the text that the stage has written so far: all of it, each time it grows. Only for a stage that declares
   * `partial`. Costs nothing to call often: it is sent at most ten times a second, and only while somebody watches the job.
   */
  readonly emit: (textSoFar: P) => void
  /** Sends a message with this stage's commit: exactly when the stage is recorded (J3). */
  readonly tell: (message: Message) => Effect.Effect<void>
}

/** What attempts of a stage need. */
export interface Stage {
  readonly name: string
  /** Whether it declares `partial`. */
  readonly isWriting: boolean
  readonly system: ActorSystem["Service"]
  readonly images: JobImages["Service"]
  readonly ledger: CallLedger["Service"]
  readonly partials: PartialText["Service"]
}

export class StageAttempt<P> implements StageJob<P>, Attempt, PaidCalls.PaidCalls {
  readonly begun: Begun
  readonly ageMillis: number
  /** Messages to send with the commit. */
  readonly tells: Array<Message> = []
  readonly #stage: Stage
  #image: AttemptImage | null = null
  #paid: ReturnType<typeof PaidCalls.ofAttempt> | null = null
  #writer: Writer | null = null
  #untimed: Attempt["untimed"] | null = null
  #over = false

  constructor(stage: Stage, begun: Begun) {
    this.#stage = stage
    this.begun = begun
    this.ageMillis = Math.max(0, stage.system.storeTime() - begun.job.created)
  }

  get id(): JobId {
    return this.begun.job.id
  }
  get owner(): string {
    return this.begun.job.owner
  }
  get attempt(): number {
    return this.begun.job.attempts
  }
  get created(): number {
    return this.begun.job.created
  }
  get begins(): number {
    return this.begun.job.tries
  }
  get image(): StageJob["image"] {
    if (this.#image === null) {
      this.#image = this.#stage.images.attempt(this.id)
      // of a handler that goes on after its end: nothing is kept for it
      if (this.#over) Effect.runFork(this.#image.end)
    }
    return this.#image.image
  }
  get pay(): PaidCalls.PaidCalls["make"] {
    return this.#calls.calls.make
  }
  get make(): PaidCalls.PaidCalls["make"] {
    return this.pay
  }
  get emit(): StageJob<P>["emit"] {
    return (text) => {
      if (typeof text === "string" && this.#stage.isWriting && !this.#over) this.#text.send(text)
    }
  }
  get tell(): StageJob["tell"] {
    return (message) => Effect.sync(() => void this.tells.push(message))
  }
  get place(): string {
    return `${this.id}/${this.#stage.name}`
  }
  get untimed(): Attempt["untimed"] {
    return (this.#untimed ??= untimed(this.begun.delivery, this.#stage.system.watch))
  }

  get #calls() {
    const { holding, job } = this.begun
    return (this.#paid ??= PaidCalls.ofAttempt(
      this.#stage.ledger,
      { partition: holding.partition, id: job.id, token: holding.token },
      { owner: job.owner, stage: this.#stage.name, attempt: job.attempts }
    ))
  }
  get #text() {
    const { holding, job } = this.begun
    return (this.#writer ??= this.#stage.partials.writer({
      partition: holding.partition,
      id: job.id,
      token: holding.token,
      begins: job.tries,
      attempt: Math.max(1, job.attempts),
      stage: this.#stage.name
    }))
  }

  /** The handler has ended: releases what it used. Returns what stores its bills, which come before its outcome; null: none are due. */
  end(): Effect.Effect<void, RedisError> | null {
    this.#over = true
    this.#writer?.end()
    if (this.#image !== null) Effect.runFork(this.#image.end)
    return this.#paid !== null && this.#paid.areBillsDue() ? this.#paid.close : null
  }
}
