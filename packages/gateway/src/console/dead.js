/**
 * Dead letters: by mailbox and cause, with a sample; a group can be redriven or discarded as a whole, in steps, after a count of
 * what that would touch.
 */
import { actButton, ask } from "./act.js"
import { read, withChanges } from "./address.js"
import { get, post, remove, withQuery } from "./api.js"
import { element, link, table } from "./element.js"
import { ago, count, t } from "./words.js"

/** Letters of one step. */
const STEP = 100

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

/** How many letters there are of a cause now. @param {string} mailbox @param {string} cause */
const counted = async (mailbox, cause) => {
  const { groups } = await get("/ops/dead")
  return groups.find((/** @type {any} */ group) => group.mailbox === mailbox && group.cause === cause)?.letters ?? 0
}

/**
 * Step by step until there are no more, or a step finds none that it can change.
 * @param {any} group @param {(text: string) => void} progress @param {(left: number) => Promise<{ done: number, skipped: number }>} step
 */
const inSteps = async ({ letters }, progress, step) => {
  let [done, skipped] = [0, 0]
  for (;;) {
    const left = letters - done - skipped
    if (left <= 0) break
    const taken = await step(Math.min(STEP, left))
    done += taken.done
    skipped += taken.skipped
    progress(t("progressOf", { done: count(done), all: count(letters) }))
    if (taken.done === 0) break
  }
  return t("done", { done: count(done), skipped: count(skipped) })
}

/** @param {any} group @param {() => void} again */
const redriveAll = async (group, again) => {
  const { cause, mailbox } = group
  const letters = await counted(mailbox, cause)
  const path = `/ops/mailboxes/${encodeURIComponent(mailbox)}/dead/redrive`
  ask({
    title: t("redrive"),
    text: element("div", {}, [
      element("p", { "data-testid": "dry-run" }, [t("dryRun", { count: count(letters) })]),
      element("p", {}, [t("redriveAsk", { count: count(letters), mailbox, cause })])
    ]),
    act: (progress) =>
      inSteps({ letters }, progress, async (limit) => {
        const { redriven, skipped } = await post(withQuery(path, { cause, limit }))
        return { done: redriven, skipped }
      }),
    done: again
  })
}

/** @param {any} group @param {() => void} again */
const discardAll = async (group, again) => {
  const { cause, mailbox } = group
  const letters = await counted(mailbox, cause)
  const path = `/ops/mailboxes/${encodeURIComponent(mailbox)}/dead`
  ask({
    title: t("discard"),
    danger: true,
    text: element("div", {}, [
      element("p", { "data-testid": "dry-run" }, [t("dryRun", { count: count(letters) })]),
      element("p", {}, [t("discardAsk", { count: count(letters), mailbox, cause })])
    ]),
    act: (progress) =>
      inSteps({ letters }, progress, async (limit) => {
        const some = await get(withQuery(path, { cause, limit }))
        for (const { id } of some) await remove(`${path}/${id}`)
        return { done: some.length, skipped: 0 }
      }),
    done: again
  })
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
                  actButton(t("redrive"), () => void redriveAll(group, again), { "data-testid": "redrive-group" }),
                  actButton(t("discard"), () => void discardAll(group, again), {
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
                  letter.job_id === null
                    ? letter.id
                    : link(withChanges({ job: letter.job_id }), letter.job_id.slice(0, 8), {
                        class: "id",
                        title: letter.job_id
                      }),
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
