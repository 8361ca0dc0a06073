/**
 * Job: one job beside a list: why it is where it is, when each stage worked and waited, its events and paid calls. What it was
 * given and has found is hidden until an operator asks, which goes to the audit log.
 */
import { actButton, ask, say } from "./act.js"
import { ApiError, get, post, remove } from "./api.js"
import { element, table } from "./element.js"
import { stateMark } from "./jobs.js"
import { count, lengthOf, moment, t } from "./words.js"

const ENDED = ["done", "failed", "cancelled"]

/** @param {string} id */
export const load = async (id) => {
  return { job: await get(`/ops/jobs/${id}`) }
}

/**
 * What a job did from event to event: waited, worked on a stage, or was put off.
 * @param {ReadonlyArray<any>} events @param {any} job
 */
export const segmentsOf = (events, job) => {
  /** @type {Array<{ kind: string, stage: string, from: number, to: number, why: string }>} */
  const segments = []
  let at = job.created
  let kind = "waited"
  let stage = "queued"
  let why = ""
  for (const event of events) {
    const isText = event.status === "delta" || event.status === "restarted"
    if (isText) continue
    if (event.ts > at) segments.push({ kind, stage, from: at, to: event.ts, why })
    at = Math.max(at, event.ts)
    why = ""
    if (event.status === "started" && event.stage !== "queued") [kind, stage] = ["worked", event.stage]
    else if (event.status === "retrying") {
      ;[kind, stage] = ["retrying", event.stage]
      why = String(event.result?.code ?? "")
    } else [kind, stage] = ["waited", event.stage]
  }
  const end = job.ended ?? Date.now()
  if (end > at && !ENDED.includes(events.at(-1)?.stage)) segments.push({ kind, stage, from: at, to: end, why })
  return segments
}

/** @param {ReturnType<typeof segmentsOf>} segments */
const timeline = (segments) => {
  const all = segments.reduce((sum, { from, to }) => sum + to - from, 0) || 1
  const bar = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  bar.setAttribute("viewBox", "0 0 1000 20")
  bar.setAttribute("preserveAspectRatio", "none")
  bar.setAttribute("aria-hidden", "true")
  let x = 0
  for (const { from, kind, to } of segments) {
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect")
    const width = ((to - from) / all) * 1000
    for (const [name, value] of [
      ["x", x],
      ["y", 0],
      ["width", Math.max(2, width)],
      ["height", 20],
      ["class", kind]
    ])
      rect.setAttribute(String(name), String(value))
    bar.append(rect)
    x += width
  }
  return element("div", { class: "timeline" }, [
    bar,
    element(
      "ol",
      {},
      segments.map(({ from, kind, stage, to, why }) =>
        element("li", { class: kind }, [
          element("b", {}, [stage === "queued" ? "" : stage]),
          ` ${t(kind === "retrying" ? "retrying" : kind === "worked" ? "worked" : "waited")} ${lengthOf(to - from)}`,
          why !== "" && element("span", { class: "why" }, [` · ${why}`])
        ])
      )
    )
  ])
}

/** @param {ReadonlyArray<[string, any]>} rows */
const facts = (rows) =>
  element(
    "dl",
    { class: "facts" },
    rows.flatMap(([name, value]) =>
      value === null || value === ""
        ? []
        : [element("div", {}, [element("dt", {}, [name]), element("dd", {}, [value])])]
    )
  )

/** @param {Awaited<ReturnType<typeof load>>} data @param {() => void} again */
export const draw = ({ job }, again) => {
  const { events, trace } = job
  const id = job.job_id
  const isOpen = !ENDED.includes(job.state)
  const hidden = element("div", { class: "hidden-parts" }, [
    element("p", {}, [t("masked")]),
    actButton(
      t("reveal"),
      async () => {
        try {
          const parts = await post(`/ops/jobs/${id}/reveal`)
          hidden.replaceChildren(
            element("pre", { tabindex: "0", "data-testid": "parts" }, [JSON.stringify(parts, null, 2)])
          )
        } catch (error) {
          say(error instanceof ApiError ? error.message : String(error))
        }
      },
      { "data-testid": "reveal" }
    )
  ])
  const cause =
    job.error === null ? (job.cause ?? null) : [job.error.code, job.error.message].filter(Boolean).join(": ")
  return [
    element("p", { class: "id" }, [id]),
    element("p", {}, [stateMark(job.state), ` ${job.stage} · ${job.progress}%`]),
    cause !== null &&
      cause !== "" &&
      element("p", { class: "because", "data-testid": "why" }, [element("b", {}, [t("why")]), ` ${cause}`]),
    element("div", { class: "actions" }, [
      isOpen &&
        actButton(
          t("cancelJob"),
          () =>
            ask({
              title: t("cancelJob"),
              text: t("cancelJobAsk", { id: id.slice(0, 8) }),
              danger: true,
              act: async () => (await remove(`/ops/jobs/${id}`)).outcome,
              done: again
            }),
          { class: "danger", "data-testid": "cancel-job" }
        )
    ]),
    facts([
      [t("pipeline"), job.pipeline],
      [t("owner"), job.owner],
      [t("created"), moment(job.created)],
      [t("deadline"), isOpen ? moment(job.deadline) : null],
      [t("due"), isOpen && job.due !== null ? moment(job.due) : null],
      [t("holder"), job.holder],
      [t("attempts"), `${job.tries} (run ${job.run})`],
      [
        t("spent"),
        job.spent === null ? null : `${job.spent.cost.toFixed(4)} · ${count(job.spent.tokens)} ${t("tokens")}`
      ],
      [t("trace"), trace]
    ]),
    element("h3", {}, [t("timeline")]),
    timeline(segmentsOf(events, job)),
    element("h3", {}, [t("events")]),
    table(
      t("events"),
      [{ text: "#", number: true }, t("when"), t("stage"), t("state")],
      events.map((/** @type {any} */ event) => ({
        cells: [
          event.seq,
          moment(event.ts),
          event.stage,
          [event.status, event.status === "retrying" ? event.result?.code : null].filter(Boolean).join(" · ")
        ]
      }))
    ),
    element("h3", {}, [t("calls")]),
    job.calls.length === 0
      ? element("p", { class: "calm" }, [t("noCalls")])
      : table(
          t("calls"),
          [
            t("stage"),
            t("service"),
            t("outcome"),
            { text: t("took"), number: true },
            { text: t("tokens"), number: true },
            { text: t("price"), number: true }
          ],
          job.calls.map((/** @type {any} */ call) => ({
            cells: [
              call.stage,
              call.service,
              call.outcome,
              call.closed === null ? "–" : lengthOf(call.closed - call.opened),
              count((call.input ?? 0) + (call.output ?? 0)),
              call.cost === null ? "–" : call.cost.toFixed(5)
            ]
          }))
        ),
    element("h3", {}, [t("input")]),
    hidden
  ]
}
