/** Topics: what is broadcast to all processes: how many events, how old, how large the state; followers are not known to Redis. */
import { get } from "./api.js"
import { element, table } from "./element.js"
import { ago, count, moment, t } from "./words.js"

/** An age, and the moment in its title. @param {number | null} at */
const aged = (at) => (at === null ? "–" : element("span", { title: moment(at) }, [ago(at)]))

export const topics = {
  load: () => get("/ops/topics"),
  /** @param {ReadonlyArray<any>} list */
  draw: (list) => [
    table(
      t("topics"),
      [
        t("topic"),
        { text: t("topicEvents"), number: true },
        { text: t("topicLast"), number: true },
        { text: t("topicKept"), number: true },
        { text: t("topicOldest"), number: true },
        { text: t("topicFields"), number: true }
      ],
      list.map((one) => ({
        attributes: { "data-key": one.name, tabindex: "-1", "data-testid": "topic" },
        cells: [
          element("span", { class: "id" }, [one.name]),
          count(one.events),
          aged(one.last),
          count(one.kept),
          aged(one.oldest),
          count(one.fields)
        ]
      }))
    ),
    element("p", { class: "soft" }, [t("topicFollowers")])
  ]
}
