/**
 * Dead letters: by mailbox and cause, with a sample; a group can be redriven or discarded as a whole, in steps, after a count of
 * what that would touch.
 */
import { actButton, ask, say } from "./act.js"
import { read, withChanges } from "./address.js"
import { get, post, withQuery } from "./api.js"
import { element, link, table } from "./element.js"
import { jobLink } from "./links.js"
import { ago, count, t } from "./words.js"

/** Letters of one step; a step that only counts takes more. */
const STEP = 100
const COUNTED = 1000

/** @param {URLSearchParams} query */
export const load = async (query) => {
  const { complete, groups } = await get("/ops/dead")
  const [mailbox, cause] = [query.get("mailbox"), query.get("cause")]
  const letters =
    mailbox === null
      ? null
      : await get(
          withQuery(`/ops/mailboxes/${encodeURIComponent(mailbox)}/dead`, {
            cause,
            limit: Number(query.get("shown") ?? 100)
          })
        )
  return { complete, groups, mailbox, cause, letters }
}

/**
 * Walks over all letters of a group, a step a call; those written meanwhile are not met.
 * @param {any} group @param {"redrive" | "discard"} what @param {{ readonly dry: boolean, readonly progress: (matched: number, changed: number) => void }} options
 */
const walk = async ({ cause, mailbox }, what, { dry, progress }) => {
  const path = `/ops/mailboxes/${encodeURIComponent(mailbox)}/dead/${what}`
  let [matched, changed] = [0, 0]
  /** @type {string | null} */
  let cursor = ""
  while (cursor !== null) {
    // all are named, also an empty cause: without it every letter would be meant
    const query = new URLSearchParams({
      cause,
      limit: String(dry ? COUNTED : STEP),
      cursor,
      ...(dry ? { dry_run: "true" } : {})
    })
    const step = /** @type {any} */ (await post(`${path}?${query}`))
    matched += step.matched
    changed += step.redriven ?? step.discarded ?? 0
    progress(matched, changed)
    cursor = step.next
  }
  return { matched, changed }
}

/**
 * Counts what it would touch, asks, and does it, with progress.
 * @param {any} group @param {"redrive" | "discard"} what @param {() => void} again
 */
const actOnAll = async (group, what, again) => {
  const { cause, mailbox } = group
  try {
    const { matched } = await walk(group, what, { dry: true, progress: () => {} })
    const words = { count: count(matched), mailbox, cause }
    ask({
      title: t(what),
      danger: what === "discard",
      text: element("div", {}, [
        element("p", { "data-testid": "dry-run" }, [t("dryRun", words)]),
        element("p", {}, [t(what === "redrive" ? "redriveAsk" : "discardAsk", words)])
      ]),
      act: async (progress) => {
        const all = await walk(group, what, {
          dry: false,
          progress: (done) => progress(t("progressOf", { done: count(done), all: count(matched) }))
        })
        return t("done", { done: count(all.changed), skipped: count(all.matched - all.changed) })
      },
      done: again
    })
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
  }
}

/** @param {Awaited<ReturnType<typeof load>>} data @param {() => void} again */
export const draw = ({ cause, complete, groups, letters, mailbox }, again) => {
  const { query } = read()
  return [
    !complete && element("p", { class: "count" }, [t("notComplete")]),
    groups.length === 0
      ? element("p", { class: "calm" }, [t("nothing")])
      : table(
          t("dead"),
          [
            t("cause"),
            t("mailbox"),
            { text: t("letters"), number: true },
            { text: t("last"), number: true },
            { text: t("first"), number: true },
            t("sample"),
            ""
          ],
          groups.map((/** @type {any} */ group) => {
            const href = withChanges({ mailbox: group.mailbox, cause: group.cause, job: null, shown: null })
            const isOpen = group.mailbox === mailbox && group.cause === cause
            return {
              attributes: {
                "data-href": href,
                "data-key": `${group.mailbox} ${group.cause}`,
                tabindex: "-1",
                "data-testid": "group",
                class: isOpen && "chosen"
              },
              cells: [
                link(href, group.cause, isOpen ? { "aria-current": "true" } : {}),
                group.mailbox,
                count(group.letters),
                ago(group.last),
                ago(group.first),
                element("span", { class: "sample", title: group.sample.message }, [group.sample.message]),
                element("span", { class: "row-actions" }, [
                  actButton(t("redrive"), () => void actOnAll(group, "redrive", again), {
                    "data-testid": "redrive-group"
                  }),
                  actButton(t("discard"), () => void actOnAll(group, "discard", again), {
                    class: "danger",
                    "data-testid": "discard-group"
                  })
                ])
              ]
            }
          })
        ),
    letters !== null &&
      element("section", {}, [
        element("h2", {}, [`${cause ?? ""} · ${mailbox}`]),
        letters.length === 0
          ? element("p", { class: "calm" }, [t("nothing")])
          : table(
              t("letters"),
              [t("job"), { text: t("attempts"), number: true }, { text: t("last"), number: true }, t("why"), ""],
              letters.map((/** @type {any} */ letter) => ({
                attributes: {
                  "data-href": letter.job_id === null ? null : withChanges({ job: letter.job_id }),
                  "data-key": letter.id,
                  tabindex: "-1",
                  "data-testid": "letter"
                },
                cells: [
                  letter.job_id === null ? letter.id : jobLink(letter.job_id),
                  letter.attempts,
                  ago(letter.last),
                  element("span", { class: "sample", title: letter.message }, [letter.message]),
                  element("span", { class: "row-actions" }, [
                    actButton(t("redrive"), () =>
                      ask({
                        title: t("redrive"),
                        text: letter.message,
                        act: async () => {
                          const { redriven, skipped } = await post(
                            `/ops/mailboxes/${encodeURIComponent(mailbox ?? "")}/dead/${letter.id}/redrive`
                          )
                          return t("done", { done: redriven, skipped })
                        },
                        done: again
                      })
                    )
                  ])
                ]
              }))
            ),
        letters.length > 0 &&
          letters.length % 100 === 0 &&
          letters.length < 1000 &&
          element("p", { class: "actions" }, [
            link(withChanges({ shown: String(Math.min(1000, Number(query.get("shown") ?? 100) + 200)) }), t("more"), {
              class: "button"
            })
          ])
      ])
  ]
}
