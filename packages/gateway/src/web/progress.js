/**
 * Progress: the bar, the four stages and the clock of a running job. app.js passes on events from follow.js; this module knows
 * nothing of connections, results or the answer's text.
 */
import { byId, say } from "./element.js"
import { clockText, durationText, t } from "./i18n.js"

/** @typedef {"waiting" | "working" | "retrying" | "done" | "failed"} StageState */
/** @typedef {{ state: StageState, code: string, nextAt: number | null }} StageView */

/** The stages in order; each has the same share of the bar. */
export const STAGES = /** @type {const} */ (["vision", "rule", "answer", "reward"])

/** The text for a stage; for a stage that this page does not know, its name. @param {string} name */
export const stageName = (name) => (STAGES.some((stage) => stage === name) ? t(`stage.${name}`) : name)

/** Unix seconds, milliseconds or an ISO date as milliseconds. @param {unknown} value @returns {number | null} */
const momentOf = (value) => {
  if (typeof value === "string" && Number.isNaN(Number(value))) {
    const parsed = Date.parse(value)
    return Number.isNaN(parsed) ? null : parsed
  }
  const number = Number(value ?? Number.NaN)
  if (!Number.isFinite(number) || number <= 0) return null
  return number < 1e11 ? number * 1000 : number
}

/** What an event's status makes of its stage; a status that is not here changes no stage. @type {ReadonlyMap<string, StageState>} */
const STATES = new Map([
  ["started", "working"],
  ["completed", "done"],
  ["retrying", "retrying"],
  ["failed", "failed"]
])

/** What a person is told of a retry's code; the codes themselves are in the result. @param {string} code */
const reasonOf = (code) =>
  /RATE|LIMIT|FULL|BUSY/.test(code) ? "busy" : /TIME|SLOW|DEADLINE/.test(code) ? "slow" : "other"

export const createProgress = () => {
  const [bar, fill, elapsed, heading] = [byId("bar"), byId("bar-fill"), byId("elapsed"), byId("running-heading")]
  const [announcer, connectionNote, track] = [byId("announce"), byId("connection"), byId("track")]
  /** @type {Map<string, { item: Element, text: Element }>} */
  const items = new Map()
  for (const name of STAGES) {
    const item = document.querySelector(`[data-stage="${name}"]`)
    const text = item?.querySelector(".stage-state")
    if (item && text) items.set(name, { item, text })
  }

  /** @returns {Map<string, StageView>} */
  const fresh = () => new Map(STAGES.map((name) => [name, { state: "waiting", code: "", nextAt: null }]))

  let stages = fresh()
  let percent = 0
  let startedAt = Date.now()
  /** Whether this tab knows the start; otherwise the time of the server's first event is used. */
  let startKnown = true
  let connected = true
  /** Whether an event came since watching began; a replay begins with `queued`, which then starts no new run. */
  let heard = false
  /** Whether the running attempt is writing the answer's text. */
  let writing = false
  /** Whether screen readers were told that the answer is being written. */
  let told = false
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let ticking

  /** @param {StageView} stage */
  const describe = (stage) => {
    if (stage.state !== "retrying") return t(`state.${stage.state}`)
    const left = stage.nextAt === null ? 0 : stage.nextAt - Date.now()
    const when = left >= 1000 ? t("retry.in", { time: durationText(Math.ceil(left / 1000) * 1000) }) : t("retry.now")
    return `${t(`retry.${reasonOf(stage.code)}`)} ${when}`
  }

  /** The stage to highlight. */
  const active = () => STAGES.find((name) => !["waiting", "done"].includes(stages.get(name)?.state ?? "waiting"))

  const drawTexts = () => {
    for (const [name, { item, text }] of items) {
      const stage = stages.get(name)
      if (stage === undefined) continue
      item.setAttribute("data-state", stage.state)
      const words = describe(stage)
      if (text.textContent !== words) text.textContent = words
    }
    elapsed.textContent = clockText(Date.now() - startedAt)
  }

  const draw = () => {
    drawTexts()
    const name = active()
    const idle = name === undefined && percent === 0
    heading.textContent = t(idle ? "running.queued" : writing ? "running.writing" : "running.title")
    bar.setAttribute("aria-valuenow", String(percent))
    bar.setAttribute("aria-valuetext", name === undefined ? `${percent}%` : `${percent}%, ${t(`stage.${name}`)}`)
    bar.classList.toggle("idle", idle)
    fill.style.setProperty("transform", `scaleX(${percent / 100})`)
    say(connectionNote, connected ? "" : t("connection.lost"))
  }

  /** @param {string} name */
  const announce = (name) => {
    const stage = stages.get(name)
    const number = STAGES.findIndex((stage) => stage === name) + 1
    if (stage === undefined || number === 0) return
    announcer.textContent = t("announce.stage", {
      number,
      total: STAGES.length,
      stage: t(`stage.${name}`),
      state: describe(stage)
    })
  }

  /** Marks stages as done whose share the bar has passed, even if their events were missed. */
  const settlePassed = () => {
    for (const [index, name] of STAGES.entries()) {
      const stage = stages.get(name)
      if (stage !== undefined && percent >= (100 / STAGES.length) * (index + 1)) stage.state = "done"
    }
  }

  return {
    draw,
    /** Starts watching a job. @param {number | null} since milliseconds since the epoch, null: not known */
    start: (since) => {
      stages = fresh()
      percent = 0
      connected = true
      heard = false
      writing = false
      told = false
      track.classList.remove("brief")
      startedAt = since ?? Date.now()
      startKnown = since !== null
      clearInterval(ticking)
      ticking = setInterval(drawTexts, 1000)
      draw()
    },
    stop: () => clearInterval(ticking),
    /** @param {boolean} now */
    setConnected: (now) => {
      if (connected !== now) announcer.textContent = t(now ? "announce.online" : "connection.lost")
      connected = now
      draw()
    },
    /** The answer's text has its place, and the stages are shown in a line. @param {boolean} now whether it is being written */
    setWriting: (now) => {
      track.classList.add("brief")
      if (writing === now) return
      writing = now
      const stage = stages.get("answer")
      // the attempt after a failed one: no event says that it has begun
      if (now && stage?.state === "retrying") stage.state = "working"
      draw()
      if (told || !now) return
      told = true
      announcer.textContent = t("announce.writing")
    },
    /** Sets the state of an open job from its result reply. @param {import("./api.js").OpenBody} body */
    snapshot: ({ current_stage, progress }) => {
      percent = Math.max(percent, Number(progress ?? 0))
      settlePassed()
      const stage = stages.get(current_stage ?? "")
      if (stage?.state === "waiting") stage.state = "working"
      draw()
    },
    /** @param {import("./follow.js").JobEvent} event */
    apply: ({ progress, result, stage: name, status, ts }) => {
      if (!startKnown && ts > 0) {
        startedAt = Math.min(Date.now(), ts * 1000)
        startKnown = true
      }
      percent = Math.max(percent, Math.min(100, progress))
      const state = STATES.get(status)
      if (state === undefined) return draw()
      if (name === "queued" && heard) {
        // a new run begins: its progress tells which stages earlier runs finished
        stages = fresh()
        percent = progress
      }
      heard = true
      settlePassed()
      const stage = stages.get(name)
      if (stage !== undefined) {
        stage.state = state
        const retry = /** @type {Record<string, unknown>} */ (status === "retrying" ? (result ?? {}) : {})
        stage.code = typeof retry["code"] === "string" ? retry["code"] : ""
        stage.nextAt = momentOf(retry["next_at"])
      }
      draw()
      // who was told that the answer is being written is told once more, when all is done
      if (!(told && name === "answer" && state === "done")) announce(name)
    },
    /** The final state before the result: all done, or the stage that failed. @param {string | null} failedStage */
    end: (failedStage) => {
      const stage = failedStage === null ? undefined : stages.get(failedStage)
      if (stage !== undefined) stage.state = "failed"
      draw()
    },
    percent: () => percent
  }
}
