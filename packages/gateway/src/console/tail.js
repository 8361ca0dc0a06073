/** Tail: the events of all jobs as they come, filtered; the latest stand first. The filters are in the address. */
import { read, withChanges } from "./address.js"
import { withQuery } from "./api.js"
import { button, element, mark, table } from "./element.js"
import { jobLink } from "./links.js"
import { clock, count, t } from "./words.js"

const SHOWN = 200
const KIND = /** @type {Record<string, string>} */ ({
  started: "sun",
  retrying: "clay",
  failed: "clay",
  cancelled: "clay",
  completed: "leaf"
})

/** @type {EventSource | null} */
let source = null
let address = ""
/** @type {Array<any>} */
let events = []
let [missed, isHeld, isOpen] = [0, false, false]
let redraw = () => {}

const close = () => {
  source?.close()
  source = null
  isOpen = false
}

/** @param {string} path */
const open = (path) => {
  close()
  address = path
  events = []
  missed = 0
  source = new EventSource(`/api/v1/internal${path}`)
  source.addEventListener("open", () => {
    isOpen = true
    redraw()
  })
  source.addEventListener("error", () => {
    isOpen = false
    redraw()
  })
  source.addEventListener("gap", () => missed++)
  source.addEventListener("event", (event) => {
    events.unshift(JSON.parse(event.data))
    events.length = Math.min(events.length, SHOWN)
    schedule()
  })
}

let isScheduled = false
/** Events come by the hundred: the list is drawn at most twice a second. */
const schedule = () => {
  if (isScheduled || isHeld) return
  isScheduled = true
  setTimeout(() => {
    isScheduled = false
    if (read().screen === "tail" && !isHeld) redraw()
  }, 500)
}
window.addEventListener("hashchange", () => {
  if (read().screen !== "tail") close()
})

/** @param {URLSearchParams} query */
export const load = async (query) => {
  const path = withQuery("/ops/tail", {
    pipeline: query.get("pipeline"),
    owner: query.get("owner"),
    job_id: query.get("job_id")
  })
  if (source === null || path !== address) open(path)
  return {}
}

/** @param {unknown} _data @param {() => void} again */
export const draw = (_data, again) => {
  redraw = again
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
          location.hash = withChanges({ [name]: /** @type {HTMLInputElement} */ (event.target).value.trim() })
        }
      })
    ])
  return [
    element("div", { class: "filters" }, [
      input("pipeline", t("pipeline")),
      input("owner", t("owner")),
      input("job_id", t("job"))
    ]),
    element("p", { class: "count actions" }, [
      element("span", {}, [mark(isOpen ? "leaf" : "clay", t(isOpen ? "tailOpen" : "tailClosed"))]),
      t("tailCounted", { count: count(events.length) }),
      missed > 0 ? ` · ${t("tailGap")}` : "",
      button(
        t(isHeld ? "tailGoOn" : "tailHold"),
        () => {
          isHeld = !isHeld
          again()
        },
        { class: "quiet", "data-testid": "hold" }
      )
    ]),
    events.length === 0
      ? element("p", { class: "calm" }, [t("tailEmpty")])
      : table(
          t("tail"),
          [
            t("when"),
            t("job"),
            t("stage"),
            t("state"),
            { text: t("progress"), number: true },
            t("pipeline"),
            t("owner")
          ],
          events.map((one) => ({
            attributes: {
              "data-href": withChanges({ job: one.job_id }),
              "data-key": `${one.job_id} ${one.seq}`,
              tabindex: "-1",
              "data-testid": "tail-event"
            },
            cells: [
              clock(one.ts * 1000),
              jobLink(one.job_id),
              one.stage,
              mark(KIND[one.status] ?? "", one.status),
              `${one.progress}%`,
              one.pipeline,
              one.owner
            ]
          }))
        )
  ]
}
