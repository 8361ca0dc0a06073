/** Lists: processes, schedules, limits and the audit log. */
import { actButton, ask } from "./act.js"
import { withChanges } from "./address.js"
import { get, post, withQuery } from "./api.js"
import { element, link, mark, table } from "./element.js"
import { jobLink } from "./links.js"
import { ago, clock, count, lengthOf, moment, t } from "./words.js"

/** @param {ReadonlyArray<any>} list @param {() => HTMLElement} draw */
const orNothing = (list, draw) => (list.length === 0 ? [element("p", { class: "calm" }, [t("nothing")])] : [draw()])

/** What a process is: alive, draining while it still holds work, drained. @param {any} one */
const processMark = (one) => {
  if (one.draining_since === null || one.state !== "alive") {
    return mark(one.state === "alive" ? "leaf" : "clay", one.state)
  }
  return mark("sun", t(one.in_flight === 0 ? "drained" : "draining"))
}
/** @param {any} one @param {() => void} again */
const drainButton = (one, again) => {
  const what = one.draining_since === null ? "drain" : "resume"
  return actButton(
    t(what),
    () =>
      ask({
        title: `${t(what)} · ${one.token}`,
        text: t(what === "drain" ? "drainNote" : "undrainNote"),
        danger: what === "drain",
        act: async () => {
          await post(`/ops/processes/${encodeURIComponent(one.token)}/${what}`)
          return t("changed")
        },
        done: again
      }),
    { "data-testid": "drain" }
  )
}

export const processes = {
  load: () => get("/ops/processes"),
  /** @param {ReadonlyArray<any>} list @param {() => void} again */
  draw: (list, again) =>
    orNothing(list, () =>
      table(
        t("processes"),
        [
          t("token"),
          t("role"),
          t("state"),
          { text: t("lease"), number: true },
          { text: t("heard"), number: true },
          { text: t("held"), number: true },
          ""
        ],
        list.map((one) => ({
          attributes: { "data-key": one.token, tabindex: "-1" },
          cells: [
            element("span", { class: "id", title: one.token }, [one.token]),
            one.role,
            processMark(one),
            one.lease_ms > 0 ? lengthOf(one.lease_ms) : `−${lengthOf(-one.lease_ms)}`,
            one.heard_ms === null ? "–" : lengthOf(one.heard_ms),
            count(one.in_flight),
            element("span", { class: "row-actions" }, [one.state === "alive" && drainButton(one, again)])
          ]
        }))
      )
    )
}

/** What a schedule is: paused, active, or known by its runs alone. @param {any} one */
export const scheduleMark = (one) =>
  one.paused ? mark("sun", t("paused")) : one.declared ? mark("leaf", t("active")) : mark("clay", t("undeclared"))

export const schedules = {
  load: () => get("/ops/schedules"),
  /** @param {ReadonlyArray<any>} list @param {() => void} again */
  draw: (list, again) => {
    const act = (/** @type {any} */ one, /** @type {"pause" | "resume" | "run"} */ what) =>
      actButton(t(what), () =>
        ask({
          title: t(what),
          text: one.name,
          act: async () => {
            const { job_id, outcome } = await post(`/ops/schedules/${encodeURIComponent(one.name)}/${what}`)
            return outcome ?? job_id ?? t("changed")
          },
          done: again
        })
      )
    return orNothing(list, () =>
      table(
        t("schedules"),
        [t("schedule"), t("timing"), t("state"), t("next"), { text: t("lastRun"), number: true }, t("outcome"), ""],
        list.map((one) => ({
          attributes: {
            "data-key": one.name,
            "data-href": one.last_job_id === null ? null : withChanges({ job: one.last_job_id }),
            tabindex: "-1"
          },
          cells: [
            one.name,
            element("span", { class: "id" }, [one.timing]),
            scheduleMark(one),
            one.next === null ? "–" : moment(one.next),
            one.last_job_id === null
              ? ago(one.last_run)
              : link(withChanges({ job: one.last_job_id }), ago(one.last_run)),
            one.last_outcome ?? "–",
            element("span", { class: "row-actions" }, [act(one, one.paused ? "resume" : "pause"), act(one, "run")])
          ]
        }))
      )
    )
  }
}

/** @param {any} use */
const useOf = (use) => (use === null ? "–" : `${count(use.used)} / ${count(use.most)}`)

/** @param {any} one @param {() => void} again */
const breakerButtons = (one, again) => {
  const path = `/ops/breakers/${encodeURIComponent(one.name)}`
  const act = (/** @type {"open" | "close"} */ what) =>
    actButton(
      t(what === "open" ? "openBreaker" : "closeBreaker"),
      () =>
        ask({
          title: `${t(what === "open" ? "openBreaker" : "closeBreaker")} · ${one.name}`,
          text: t(what === "open" ? "openNote" : "closeNote"),
          danger: what === "open",
          act: async () => {
            await post(`${path}/${what}`)
            return t("changed")
          },
          done: again
        }),
      { "data-testid": `${what}-breaker` }
    )
  return element("span", { class: "row-actions" }, [act(one.state === "closed" ? "open" : "close")])
}

/** @param {ReadonlyArray<any>} list @param {() => void} again */
const breakerTable = (list, again) =>
  table(
    t("breakers"),
    [
      t("breaker"),
      t("state"),
      { text: t("probeIn"), number: true },
      { text: t("openings"), number: true },
      { text: t("failures"), number: true },
      ""
    ],
    list.map((one) => ({
      attributes: { "data-key": one.name, tabindex: "-1", "data-testid": "breaker" },
      cells: [
        one.name,
        mark(
          one.state === "closed" ? "leaf" : one.state === "open" ? "clay" : "sun",
          one.by_operator ? `${one.state} · ${t("byOperator")}` : one.state
        ),
        one.state === "open" ? lengthOf(one.left_ms) : "–",
        count(one.openings),
        count(one.failures),
        breakerButtons(one, again)
      ]
    }))
  )

/** @param {string} limit @param {ReadonlyArray<any>} list */
const waiterTable = (limit, list) =>
  element("section", {}, [
    element("h2", {}, [t("waitersOf", { limit })]),
    ...orNothing(list, () =>
      table(
        t("waitersOf", { limit }),
        [t("job"), t("stage"), { text: t("waited"), number: true }, t("comesBack")],
        list.map((one, i) => ({
          attributes: {
            "data-key": `${one.job_id}/${one.stage}/${i}`,
            "data-href": one.job_id === null ? null : withChanges({ job: one.job_id }),
            tabindex: "-1"
          },
          cells: [
            one.job_id === null ? "–" : jobLink(one.job_id),
            one.stage ?? "–",
            one.since === null ? "–" : ago(one.since),
            one.due === null ? t("inStage") : moment(one.due)
          ]
        }))
      )
    )
  ])

export const limits = {
  /** @param {URLSearchParams} query */
  load: async (query) => {
    const limit = query.get("limit")
    const [{ limits: list }, breakers, waiters] = await Promise.all([
      get("/ops/limits"),
      get("/ops/breakers"),
      limit === null ? null : get(`/ops/limits/${encodeURIComponent(limit)}/waiters`)
    ])
    return { limits: list, breakers, limit, waiters }
  },
  /** @param {any} data @param {() => void} again */
  draw: ({ breakers, limit, limits: list, waiters }, again) => [
    ...orNothing(list, () =>
      table(
        t("limits"),
        [
          t("limit"),
          t("state"),
          { text: t("waiting"), number: true },
          { text: t("requests"), number: true },
          { text: t("units"), number: true },
          { text: t("permits"), number: true },
          ""
        ],
        list.map((/** @type {any} */ one) => ({
          attributes: {
            "data-key": one.name,
            "data-href": withChanges({ limit: one.name }),
            tabindex: "-1",
            class: one.name === limit && "chosen"
          },
          cells: [
            link(withChanges({ limit: one.name }), one.name),
            one.paused_ms > 0 ? mark("sun", `${t("paused")} ${lengthOf(one.paused_ms)}`) : mark("leaf", t("open")),
            `${count(one.waiting)} + ${count(one.away)}`,
            useOf(one.requests),
            useOf(one.units),
            useOf(one.permits),
            element("span", { class: "row-actions" }, [
              one.paused_ms > 0 &&
                actButton(t("lift"), () =>
                  ask({
                    title: t("lift"),
                    text: one.name,
                    act: async () => (await post(`/ops/limits/${encodeURIComponent(one.name)}/resume`)).outcome,
                    done: again
                  })
                )
            ])
          ]
        }))
      )
    ),
    waiters !== null && waiterTable(limit, waiters),
    element("section", {}, [
      element("h2", {}, [t("breakers")]),
      ...orNothing(breakers, () => breakerTable(breakers, again))
    ])
  ]
}

const PAGE = 100

/** @param {string} text @returns {Record<string, unknown>} */
const recordOf = (text) => {
  try {
    return Object(JSON.parse(text === "" ? "{}" : text))
  } catch {
    return {} // cut to its bound
  }
}

/** What of a change is not as before. @param {string} before @param {string} after */
const changeOf = (before, after) => {
  const [old, now] = [recordOf(before), recordOf(after)]
  const names = Object.keys({ ...old, ...now }).filter(
    (name) => JSON.stringify(old[name]) !== JSON.stringify(now[name])
  )
  const words = (/** @type {string} */ name, /** @type {unknown} */ value) => {
    if (name.endsWith("_since")) return typeof value === "number" ? clock(value) : "–"
    return value === null || value === undefined ? t("default") : String(value)
  }
  return element(
    "span",
    { class: "change" },
    names.flatMap((name) => [
      `${name}: `,
      element("del", {}, [words(name, old[name])]),
      " → ",
      element("ins", {}, [words(name, now[name])]),
      " "
    ])
  )
}

export const audit = {
  /** @param {URLSearchParams} query */
  load: (query) => get(withQuery("/ops/audit", { before: query.get("before"), limit: PAGE })),
  /** @param {any} data */
  draw: ({ entries }) => [
    ...orNothing(entries, () =>
      table(
        t("audit"),
        [t("when"), t("who"), t("what"), t("target"), t("outcome"), t("change")],
        entries.map((/** @type {any} */ one) => ({
          attributes: { "data-key": one.id, tabindex: "-1", "data-testid": "act" },
          cells: [
            moment(one.at),
            `${one.who} (${one.role === "" ? "–" : one.role})`,
            one.what,
            element("span", { class: "sample", title: one.target }, [one.target]),
            mark(one.outcome === "ok" ? "leaf" : "clay", one.outcome),
            changeOf(one.before, one.after)
          ]
        }))
      )
    ),
    entries.length === PAGE &&
      element("p", { class: "actions" }, [
        link(withChanges({ before: entries.at(-1).id }), t("more"), { class: "button" })
      ])
  ]
}
