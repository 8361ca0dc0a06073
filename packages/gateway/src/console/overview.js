/** Overview: how the fleet stands, and what needs attention, each a link to where it is dealt with. */
import { hrefOf } from "./address.js"
import { get } from "./api.js"
import { element, link, table } from "./element.js"
import { count, lengthOf, t } from "./words.js"

/** Older work than this is worth a look. */
const OLD_MILLIS = 5 * 60_000

export const load = async () => {
  const [mailboxes, processes, dead, limits] = await Promise.all([
    get("/ops/mailboxes"),
    get("/ops/processes"),
    get("/ops/dead"),
    get("/ops/limits")
  ])
  return { mailboxes, processes, groups: dead.groups, limits: limits.limits }
}

/** @param {string} href @param {string} value @param {string} label @param {string} [kind] */
const figure = (href, value, label, kind = "") =>
  element("a", { class: `figure ${kind}`, href, "data-testid": "figure" }, [
    element("strong", {}, [value]),
    element("span", {}, [label])
  ])

/** @param {Awaited<ReturnType<typeof load>>} data */
export const draw = ({ groups, limits, mailboxes, processes }) => {
  const sum = (/** @type {ReadonlyArray<any>} */ list, /** @type {string} */ name) =>
    list.reduce((all, one) => all + one[name], 0)
  const letters = sum(groups, "letters")
  const oldest = Math.max(0, ...mailboxes.map((/** @type {any} */ one) => one.oldest_ms))
  const paused = limits.filter((/** @type {any} */ one) => one.paused_ms > 0)
  const alive = processes.filter((/** @type {any} */ one) => one.state === "alive")
  const lost = processes.filter((/** @type {any} */ one) => one.state !== "alive" && one.in_flight > 0)
  const stuck = mailboxes.filter(
    (/** @type {any} */ one) => one.entries > 0 && one.leased === 0 && one.oldest_ms > OLD_MILLIS
  )
  const notes = [
    ...groups
      .slice(0, 12)
      .map((/** @type {any} */ group) =>
        link(
          hrefOf("dead", { mailbox: group.mailbox, cause: group.cause }),
          t("lettersOf", { ...group, count: count(group.letters) })
        )
      ),
    ...stuck.map((/** @type {any} */ one) => link(hrefOf("mailboxes", { mailbox: one.mailbox }), t("unserved", one))),
    ...lost.map((/** @type {any} */ one) => link(hrefOf("processes"), t("gone", one))),
    ...paused.map((/** @type {any} */ one) =>
      link(hrefOf("limits"), t("limitPaused", { name: one.name, time: lengthOf(one.paused_ms) }))
    )
  ]
  const busiest = [...mailboxes].sort((a, b) => b.entries - a.entries).slice(0, 8)
  return [
    element("div", { class: "figures" }, [
      figure(
        hrefOf("jobs", { state: "waiting" }),
        count(sum(mailboxes, "entries") - sum(mailboxes, "leased")),
        t("backlog")
      ),
      figure(hrefOf("jobs", { state: "running" }), count(sum(mailboxes, "leased")), t("leased")),
      figure(
        hrefOf("mailboxes"),
        oldest === 0 ? "–" : lengthOf(oldest),
        t("oldestWait"),
        oldest > OLD_MILLIS ? "sun" : ""
      ),
      figure(hrefOf("dead"), count(letters), t("letters"), letters > 0 ? "clay" : ""),
      figure(hrefOf("processes"), count(alive.length), t("alive"), lost.length > 0 ? "sun" : ""),
      figure(hrefOf("limits"), count(paused.length), t("pausedLimits"), paused.length > 0 ? "sun" : "")
    ]),
    element("section", {}, [
      element("h2", {}, [t("attention")]),
      notes.length === 0
        ? element("p", { class: "calm" }, [t("calm")])
        : element(
            "ul",
            { class: "notes", "data-testid": "attention" },
            notes.map((note) => element("li", {}, [note]))
          )
    ]),
    element("section", {}, [
      element("h2", {}, [t("busiest")]),
      table(
        t("busiest"),
        [
          t("mailbox"),
          { text: t("entries"), number: true },
          { text: t("held"), number: true },
          { text: t("oldest"), number: true }
        ],
        busiest.map((one) => ({
          attributes: { "data-href": hrefOf("mailboxes", { mailbox: one.mailbox }), tabindex: "-1" },
          cells: [
            link(hrefOf("mailboxes", { mailbox: one.mailbox }), one.mailbox),
            count(one.entries),
            count(one.leased),
            one.oldest_ms === 0 ? "–" : lengthOf(one.oldest_ms)
          ]
        }))
      )
    ])
  ]
}
