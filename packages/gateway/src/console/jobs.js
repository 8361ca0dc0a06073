/** Jobs: the list by state, pipeline and owner; the filters are in the address, and can be saved under a name (views.js). A row opens the job beside the list. */
import { read, withChanges } from "./address.js"
import { get, withQuery } from "./api.js"
import { element, link, mark, table } from "./element.js"
import { jobLink } from "./links.js"
import { drawViews } from "./views.js"
import { ago, count, lengthOf, t } from "./words.js"

/** Jobs of a page. */
const PAGE = 100
const STATES = ["open", "ended", "lane", "waiting", "running", "delayed", "parked", "done", "failed", "cancelled"]
const FILTERS = /** @type {const} */ (["pipeline", "stage", "owner", "cause", "model", "tag", "id", "since", "until"])
const KIND = /** @type {Record<string, string>} */ ({
  waiting: "sun",
  lane: "sun",
  delayed: "sun",
  parked: "clay",
  failed: "clay",
  done: "leaf",
  running: "leaf"
})
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** As an input of a local time has it. @param {string | null} millis */
const localTime = (millis) => {
  if (millis === null) return ""
  const at = new Date(Number(millis))
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}

/** @param {string} state */
export const stateMark = (state) => mark(KIND[state] ?? "", state)

/** Counts of many jobs cost the gateway a second: those of one question are kept for a while. */
const KEPT_MILLIS = 20_000
let kept = { path: "", at: 0, /** @type {any} */ counted: null }
/** @param {string} path */
const countedBy = async (path) => {
  if (kept.path !== path || Date.now() - kept.at > KEPT_MILLIS)
    kept = { path, at: Date.now(), counted: await get(path) }
  return kept.counted
}

/** @param {URLSearchParams} query */
export const load = async (query) => {
  const state = query.get("state") ?? "open"
  const filters = Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]))
  const [{ jobs, next }, counted] = await Promise.all([
    get(withQuery("/ops/jobs", { state, ...filters, limit: PAGE, cursor: query.get("cursor") })),
    countedBy(withQuery("/ops/job-counts", { state, ...filters }))
  ])
  return { state, jobs, next, counted }
}

/** @param {Awaited<ReturnType<typeof load>>} data */
export const draw = ({ counted, jobs, next, state }) => {
  const { query } = read()
  const input = (/** @type {string} */ name, /** @type {string} */ label) =>
    element("label", {}, [
      label,
      element("input", {
        name,
        value: query.get(name) ?? "",
        autocomplete: "off",
        spellcheck: "false",
        onchange: (/** @type {Event} */ event) => {
          const value = /** @type {HTMLInputElement} */ (event.target).value.trim()
          location.hash = withChanges(
            name === "id" && ID.test(value) ? { job: value } : { [name]: value, cursor: null }
          )
        }
      })
    ])
  /** A moment of this place; epoch milliseconds in the address. */
  const time = (/** @type {string} */ name, /** @type {string} */ label) =>
    element("label", { class: "time" }, [
      label,
      element("input", {
        name,
        type: "datetime-local",
        value: localTime(query.get(name)),
        onchange: (/** @type {Event} */ event) => {
          const at = new Date(/** @type {HTMLInputElement} */ (event.target).value).getTime()
          location.hash = withChanges({ [name]: Number.isNaN(at) ? null : String(at), cursor: null })
        }
      })
    ])
  return [
    drawViews("jobs", query),
    element(
      "nav",
      { class: "states", "aria-label": t("state") },
      STATES.map((name) =>
        link(withChanges({ state: name, cursor: null }), name, name === state ? { "aria-current": "page" } : {})
      )
    ),
    element("div", { class: "filters" }, [
      input("pipeline", t("pipeline")),
      input("stage", t("stage")),
      input("owner", t("owner")),
      input("cause", t("cause")),
      input("model", t("model")),
      input("tag", t("tag")),
      time("since", t("from")),
      time("until", t("to")),
      input("id", t("idPrefix"))
    ]),
    element("p", { class: "count" }, [
      t("counted", { count: count(counted.jobs) }),
      ...Object.entries(counted.states).map(([name, number]) => ` · ${count(Number(number))} ${name}`),
      counted.complete ? "" : ` · ${t("notComplete")}`
    ]),
    Object.keys(counted.causes).length > 0 &&
      element(
        "p",
        { class: "count", "data-testid": "causes" },
        Object.entries(counted.causes)
          .toSorted((a, b) => Number(b[1]) - Number(a[1]))
          .slice(0, 8)
          .flatMap(([cause, number], i) => [
            i === 0 ? "" : " · ",
            link(withChanges({ cause, cursor: null }), `${cause} ${count(Number(number))}`)
          ])
      ),
    jobs.length === 0
      ? element("p", { class: "calm" }, [t("nothing")])
      : table(
          t("jobs"),
          [
            t("job"),
            t("state"),
            t("stage"),
            t("cause"),
            t("pipeline"),
            t("owner"),
            { text: t("progress"), number: true },
            { text: t("attempts"), number: true },
            { text: t("since"), number: true },
            { text: t("age"), number: true }
          ],
          jobs.map((/** @type {any} */ job) => ({
            attributes: {
              "data-href": withChanges({ job: job.job_id }),
              "data-key": job.job_id,
              tabindex: "-1",
              "data-testid": "job-row"
            },
            cells: [
              jobLink(job.job_id),
              stateMark(job.state),
              job.stage,
              job.cause ?? "–",
              job.pipeline,
              job.owner,
              `${job.progress}%`,
              job.attempts,
              job.since > 0 ? ago(job.since) : "–",
              lengthOf(Date.now() - job.created)
            ]
          }))
        ),
    (next !== null || query.get("cursor") !== null) &&
      element("p", { class: "actions" }, [
        query.get("cursor") !== null && link(withChanges({ cursor: null }), t("fromStart"), { class: "button" }),
        next !== null && link(withChanges({ cursor: next }), t("more"), { class: "button", "data-testid": "more" })
      ])
  ]
}
