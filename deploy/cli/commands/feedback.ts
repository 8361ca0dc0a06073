/** `eco2 feedback`: what users called wrong, the newest first. */
import { mostLimit } from "@eco2/gateway/operator-words"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Operator } from "../Operator.ts"
import { age, print, say, table } from "../Output.ts"

const limit = Flag.Int("limit").pipe(
  Flag.withDescription("How many, the newest first; at most 1000, by default 100"),
  Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: mostLimit }))),
  Flag.optional
)

export const feedback = Command.make(
  "feedback",
  { limit },
  Effect.fnUntraced(function* ({ limit }) {
    const operator = yield* Operator
    const now = Date.now()
    const query = Option.match(limit, { onNone: () => ({}), onSome: (most) => ({ limit: most }) })
    const answer = yield* operator.ask(({ feedbackOps }) => feedbackOps.list({ query }))
    yield* print(answer, () =>
      table(
        answer.feedback,
        [
          { head: "GIVEN", cell: ({ given_at }) => age(now - Date.parse(given_at)) },
          { head: "TAKEN FOR", cell: ({ major_category, middle_category }) => middle_category || major_category },
          { head: "ITEM", cell: ({ minor_category }) => minor_category ?? "-" },
          { head: "USER SAYS", cell: ({ category }) => category ?? "?" },
          { head: "MODEL", cell: ({ model }) => model ?? "-" },
          { head: "JOB", cell: ({ job_id }) => job_id },
          { head: "COMMENT", cell: ({ comment }) => (comment ?? "").replaceAll(/\s+/g, " ").slice(0, 80) }
        ],
        "nobody has called an answer wrong"
      )
    )
    if (answer.next_cursor !== null) yield* say("there are older ones; --limit shows more")
  })
).pipe(Command.withDescription("Answers that users called wrong, and what they say it is"))
