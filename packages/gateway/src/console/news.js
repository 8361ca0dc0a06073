/** News: the sources with their last run, what was rejected by cause, and the latest runs; a row opens the run's job. */
import { withChanges } from "./address.js"
import { get } from "./api.js"
import { element, link, mark, table } from "./element.js"
import { jobLink } from "./links.js"
import { scheduleMark } from "./lists.js"
import { ago, count, lengthOf, moment, t } from "./words.js"

const KIND = /** @type {Record<string, string>} */ ({ done: "leaf", failed: "clay", cancelled: "" })

/** @param {number | null | undefined} number */
const counted = (number) => (number === null || number === undefined ? "–" : count(number))

/** What a run came to: its cause if it failed, what it skipped if it did nothing. @param {any} run */
const outcome = (run) =>
  element("span", {}, [
    mark(KIND[run.state] ?? "sun", run.cause ?? run.state),
    run.skipped.length > 0 && element("span", { class: "soft" }, [` ${[...new Set(run.skipped)].join(", ")}`])
  ])

/** @param {Record<string, number>} rejected */
const rejectedOf = (rejected) =>
  Object.keys(rejected).length === 0
    ? "–"
    : Object.entries(rejected)
        .map(([cause, items]) => `${cause} ${count(items)}`)
        .join(", ")

/** The source of a run, as its schedule is called. @param {any} run */
const nameOf = (run) => run.schedule ?? ([run.source, run.category].filter((part) => part !== null).join(" ") || "–")

/** @param {string} title @param {ReadonlyArray<any>} list @param {() => HTMLElement} draw */
const section = (title, list, draw) =>
  element("section", {}, [
    element("h2", {}, [title]),
    list.length === 0 ? element("p", { class: "calm" }, [t("nothing")]) : draw()
  ])

/** @param {ReadonlyArray<any>} sources */
const sourceTable = (sources) =>
  table(
    t("sources"),
    [
      t("schedule"),
      t("timing"),
      t("state"),
      t("outcome"),
      { text: t("lastRun"), number: true },
      { text: t("fetched"), number: true },
      { text: t("saved"), number: true },
      t("next"),
      { text: t("skips"), number: true }
    ],
    sources.map((one) => ({
      attributes: {
        "data-key": one.schedule,
        "data-href": one.last === null ? null : withChanges({ job: one.last.job_id }),
        tabindex: "-1",
        "data-testid": "source"
      },
      cells: [
        one.last === null ? one.schedule : link(withChanges({ job: one.last.job_id }), one.schedule),
        element("span", { class: "id" }, [one.timing]),
        scheduleMark(one),
        one.last === null ? "–" : outcome(one.last),
        ago(one.last_run),
        counted(one.last?.fetched),
        counted(one.last?.saved),
        one.next === null ? "–" : moment(one.next),
        count(one.skips)
      ]
    }))
  )

/** @param {ReadonlyArray<any>} list */
const rejectedTable = (list) =>
  table(
    t("rejected"),
    [t("source"), t("cause"), { text: t("items"), number: true }, { text: t("runs"), number: true }],
    list.map((one) => ({
      attributes: { "data-key": `${one.source} ${one.cause}`, tabindex: "-1", "data-testid": "rejected" },
      cells: [one.source, one.cause, count(one.items), count(one.runs)]
    }))
  )

/** @param {ReadonlyArray<any>} runs */
const runTable = (runs) =>
  table(
    t("runs"),
    [
      t("job"),
      t("source"),
      t("outcome"),
      { text: t("newsEnded"), number: true },
      { text: t("took"), number: true },
      { text: t("fetched"), number: true },
      { text: t("saved"), number: true },
      { text: t("left"), number: true },
      t("rejected")
    ],
    runs.map((run) => ({
      attributes: {
        "data-key": `run ${run.job_id}`,
        "data-href": withChanges({ job: run.job_id }),
        tabindex: "-1",
        "data-testid": "run"
      },
      cells: [
        jobLink(run.job_id),
        nameOf(run),
        outcome(run),
        ago(run.ended),
        run.ended === null ? "–" : lengthOf(run.ended - run.created),
        counted(run.fetched),
        counted(run.saved),
        counted(run.left),
        rejectedOf(run.rejected)
      ]
    }))
  )

export const news = {
  load: () => get("/ops/news"),
  /** @param {any} data */
  draw: ({ complete, rejected, runs, sources }) => [
    section(t("sources"), sources, () => sourceTable(sources)),
    section(t("rejectedByCause"), rejected, () => rejectedTable(rejected)),
    section(t("runs"), runs, () => runTable(runs)),
    element("p", { class: "soft" }, [t("newsKept"), complete ? "" : ` ${t("notComplete")}`])
  ]
}
