/** Jobs: the list by state, pipeline and owner; the filters are in the address. A row opens the job beside the list. */
import { read, withChanges } from "./address.js"
import { get, withQuery } from "./api.js"
import { element, link, mark, table } from "./element.js"
import { ago, count, lengthOf, t } from "./words.js"

const STATES = ["open", "ended", "lane", "waiting", "running", "delayed", "parked", "done", "failed", "cancelled"]
const FILTERS = /** @type {const} */ (["pipeline", "stage", "owner", "cause"])
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

/** @param {URLSearchParams} query */
export const load = async (query) => {
  const state = query.get("state") ?? "open"
  const names = [...FILTERS, "since", "until"]
  const filters = Object.fromEntries(names.map((name) => [name, query.get(name)]))
  const { complete, jobs } = await get(withQuery("/ops/jobs", { state, ...filters, limit: 1000 }))
  const isWanted = (/** @type {any} */ job) => job.job_id.startsWith(query.get("id") ?? "")
  return { state, complete, jobs: jobs.filter(isWanted), shown: Number(query.get("shown") ?? 100) }
}

/** @param {Awaited<ReturnType<typeof load>>} data */
export const draw = ({ complete, jobs, shown, state }) => {
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
          location.hash = withChanges(name === "id" && ID.test(value) ? { job: value } : { [name]: value, shown: null })
        }
      })
    ])
  /** A moment of this place; epoch milliseconds in the address. */
  const time = (/** @type {string} */ name, /** @type {string} */ label) =>
    element("label", {}, [
      label,
      element("input", {
        name,
        type: "datetime-local",
        value: localTime(query.get(name)),
        onchange: (/** @type {Event} */ event) => {
          const at = new Date(/** @type {HTMLInputElement} */ (event.target).value).getTime()
          location.hash = withChanges({ [name]: Number.isNaN(at) ? null : String(at), shown: null })
        }
      })
    ])
  return [
    element(
      "nav",
      { class: "states", "aria-label": t("state") },
      STATES.map((name) =>
        link(withChanges({ state: name, shown: null }), name, name === state ? { "aria-current": "page" } : {})
      )
    ),
    element("div", { class: "filters" }, [
      input("pipeline", t("pipeline")),
      input("stage", t("stage")),
      input("owner", t("owner")),
      input("cause", t("cause")),
      time("since", t("from")),
      time("until", t("to")),
      input("id", t("idPrefix"))
    ]),
    element("p", { class: "count" }, [
      t("counted", { count: count(jobs.length) }),
      complete ? "" : ` · ${t("notComplete")}`
    ]),
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
          jobs.slice(0, shown).map((/** @type {any} */ job) => ({
            attributes: {
              "data-href": withChanges({ job: job.job_id }),
              "data-key": job.job_id,
              tabindex: "-1",
              "data-testid": "job-row"
            },
            cells: [
              link(withChanges({ job: job.job_id }), job.job_id.slice(0, 8), { class: "id", title: job.job_id }),
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
    jobs.length > shown &&
      element("p", { class: "actions" }, [
        link(withChanges({ shown: String(shown + 200) }), t("more"), { class: "button" })
      ])
  ]
}
