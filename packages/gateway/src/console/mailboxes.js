/** Mailboxes: how full each is, how fast stages have worked lately, and its policy, which can be changed while the fleet runs: the difference is shown first, and the last change can be undone. */
import { actButton, ask, say } from "./act.js"
import { hrefOf, read, withChanges } from "./address.js"
import { get, patch, post } from "./api.js"
import { button, element, link, mark, table } from "./element.js"
import { count, lengthOf, t } from "./words.js"

const FIELDS = /** @type {const} */ (["capacity", "timeout_ms", "attempts", "redrives", "redrive_ms"])

/** The figures of the last look: to read the jobs of an hour takes longer than the rest. @type {Promise<any> | null} */
let rates = null
const renewRates = () => {
  const renewed = get("/ops/rates")
  const shown = rates ?? renewed
  renewed.then(
    () => {
      rates = renewed
    },
    () => {
      // the first look tells why; after it the figures of before stay
    }
  )
  return shown
}

export const load = async () => {
  const [mailboxes, policies, windows] = await Promise.all([get("/ops/mailboxes"), get("/ops/policies"), renewRates()])
  return { mailboxes, windows, policies: new Map(policies.map((/** @type {any} */ one) => [one.mailbox, one])) }
}

/** @param {string} mailbox @param {Record<string, number | null>} change */
const send = (mailbox, change) => patch(`/ops/policies/${encodeURIComponent(mailbox)}`, change)

/** @param {string} mailbox @param {any} policy @param {() => void} again */
const edit = (mailbox, policy, again) => {
  const inputs = FIELDS.map((name) => ({
    name,
    input: /** @type {HTMLInputElement} */ (
      element("input", {
        id: `policy-${name}`,
        name,
        inputmode: "numeric",
        value: policy?.[name] ?? "",
        placeholder: t("default")
      })
    )
  }))
  const diff = element("div", { class: "diff", role: "status", "data-testid": "diff" })
  const wanted = () => {
    /** @type {Record<string, number | null>} */
    const change = {}
    for (const { input, name } of inputs) {
      const text = input.value.trim()
      const value = text === "" ? null : Number(text)
      if (value !== (policy?.[name] ?? null)) change[name] = value
    }
    return change
  }
  const show = () => {
    const change = Object.entries(wanted())
    diff.replaceChildren(
      ...(change.length === 0
        ? [t("noChange")]
        : change.map(([name, value]) =>
            element("p", {}, [
              `${name}: `,
              element("del", {}, [String(policy?.[name] ?? t("default"))]),
              " → ",
              element("ins", {}, [value === null ? t("default") : String(value)])
            ])
          ))
    )
  }
  for (const { input } of inputs) input.addEventListener("input", show)
  show()
  ask({
    title: `${t("policy")} · ${mailbox}`,
    text: element("div", {}, [
      element("p", {}, [t("policyNote")]),
      element(
        "div",
        { class: "fields" },
        inputs.map(({ input, name }) => element("label", { for: input.id }, [t(name), input]))
      ),
      element("h3", {}, [t("diff")]),
      diff
    ]),
    label: t("changePolicy"),
    act: async () => {
      const change = wanted()
      const names = Object.keys(change)
      if (names.length === 0) return t("noChange")
      const before = Object.fromEntries(names.map((name) => [name, policy?.[name] ?? null]))
      await send(mailbox, change)
      setTimeout(() =>
        say(t("changed"), [
          button(
            t("undo"),
            async () => {
              try {
                await send(mailbox, before)
                say(t("undone"))
                again()
              } catch (error) {
                say(String(error))
              }
            },
            { "data-testid": "undo" }
          )
        ])
      )
      return t("changed")
    },
    done: again
  })
}

/** Asks, and pauses or resumes. @param {any} one @param {() => void} again */
const pause = (one, again) => {
  const what = one.paused_since === null ? "pause" : "resume"
  ask({
    title: `${t(what)} · ${one.mailbox}`,
    text: t(what === "pause" ? "pauseNote" : "resumeNote"),
    danger: what === "pause",
    act: async () => {
      const path = `/ops/mailboxes/${encodeURIComponent(one.mailbox)}`
      await post(`${path}/${what}`)
      if (what === "pause") {
        const undo = async () => {
          try {
            await post(`${path}/resume`)
            say(t("undone"))
            again()
          } catch (error) {
            say(String(error))
          }
        }
        setTimeout(() => say(t("changed"), [button(t("undo"), undo, { "data-testid": "undo" })]))
      }
      return t("changed")
    },
    done: again
  })
}

/** @param {{ readonly p50: number, readonly p95: number } | null} times */
const both = (times) => (times === null ? "–" : `${lengthOf(times.p50)} / ${lengthOf(times.p95)}`)

/** Rates and times of stages in the window that the address names. @param {ReadonlyArray<any>} windows */
const drawRates = (windows) => {
  const asked = read().query.get("window")
  const chosen = windows.find(({ window_ms }) => String(window_ms) === asked) ?? windows[0]
  return element("section", {}, [
    element("h2", {}, [t("rates")]),
    element(
      "nav",
      { class: "states", "aria-label": t("window") },
      windows.map((one) =>
        link(
          withChanges({ window: String(one.window_ms) }),
          lengthOf(one.window_ms),
          one === chosen ? { "aria-current": "page" } : {}
        )
      )
    ),
    chosen.stages.length === 0
      ? element("p", { class: "calm" }, [t("nothing")])
      : table(
          t("rates"),
          [
            t("mailbox"),
            { text: t("doneRate"), number: true },
            { text: t("failedRate"), number: true },
            { text: t("cancelledRate"), number: true },
            { text: t("waitTimes"), number: true },
            { text: t("runTimes"), number: true },
            { text: t("sampled"), number: true }
          ],
          chosen.stages.map((/** @type {any} */ one) => ({
            attributes: { "data-key": `rate ${one.mailbox}`, tabindex: "-1", "data-testid": "rate" },
            cells: [
              one.mailbox,
              count(one.done_a_minute),
              count(one.failed_a_minute),
              count(one.cancelled_a_minute),
              both(one.wait_ms),
              both(one.run_ms),
              count(one.sampled)
            ]
          }))
        ),
    element("p", { class: "soft" }, [
      t("rateNote", { ended: count(chosen.ended), covered: lengthOf(chosen.covered_ms) })
    ])
  ])
}

/** @param {Awaited<ReturnType<typeof load>>} data @param {() => void} again */
export const draw = ({ mailboxes, policies, windows }, again) => {
  const chosen = read().query.get("mailbox")
  return [
    table(
      t("mailboxes"),
      [
        t("mailbox"),
        { text: t("entries"), number: true },
        { text: t("held"), number: true },
        { text: t("dead"), number: true },
        { text: t("oldest"), number: true },
        t("policy"),
        ""
      ],
      mailboxes.map((/** @type {any} */ one) => {
        const policy = /** @type {any} */ (policies.get(one.mailbox))
        const set = FIELDS.filter((name) => typeof policy?.[name] === "number").map((name) => `${name} ${policy[name]}`)
        const href = withChanges({ mailbox: one.mailbox })
        return {
          attributes: {
            "data-href": href,
            "data-key": one.mailbox,
            tabindex: "-1",
            class: one.mailbox === chosen && "chosen",
            "data-testid": "mailbox"
          },
          cells: [
            element("span", {}, [
              link(href, one.mailbox),
              one.paused_since !== null && " ",
              one.paused_since !== null && mark("sun", `${t("paused")} ${lengthOf(Date.now() - one.paused_since)}`)
            ]),
            count(one.entries),
            count(one.leased),
            one.letters === 0 ? "0" : link(hrefOf("dead", { mailbox: one.mailbox }), count(one.letters)),
            one.oldest_ms === 0 ? "–" : lengthOf(one.oldest_ms),
            set.length === 0 ? element("span", { class: "soft" }, [t("default")]) : set.join(", "),
            element("span", { class: "row-actions" }, [
              actButton(t(one.paused_since === null ? "pause" : "resume"), () => pause(one, again), {
                "data-testid": "pause"
              }),
              actButton(t("changePolicy"), () => edit(one.mailbox, policy, again), { "data-testid": "change-policy" })
            ])
          ]
        }
      })
    ),
    drawRates(windows)
  ]
}
