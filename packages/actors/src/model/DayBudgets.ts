/**
 * DayBudgets: what model calls may cost in any 24 hours, for each user and in all, over the whole fleet: limits of the runtime
 * (L1) whose units are money or tokens. A call reserves its estimate and is settled by what it has cost.
 */
import { Attempt, Limit, Setting } from "@eco2/core"
import type { RateLimiter, RedisError } from "@eco2/core"
import { Config, Effect } from "effect"
import { DayBudgetSpent, UserBudgetSpent } from "./ModelError.ts"
import type { ModelError } from "./ModelError.ts"

const settings = Config.all({
  /** USER_DAY_BUDGET: what the model calls of one user may cost in any 24 hours: money, as in 0.25, or "50000 tokens". Default off. */
  user: Setting.budget("USER_DAY_BUDGET"),
  /** DAY_BUDGET: what all model calls may cost in any 24 hours, likewise. Default off. */
  all: Setting.budget("DAY_BUDGET")
})

/** What a call uses, or is expected to use. `cost` in millionths; null: no price is known. */
export interface Spending {
  readonly tokens: number
  readonly cost: number | null
}

type Within = <A>(
  call: { readonly provider: string; readonly model: string; readonly owner: string },
  expected: Spending,
  /** Reports what it has cost. */
  work: (
    spent: (spending: Spending) => void
  ) => Effect.Effect<A, ModelError | Limit.RateLimited | Limit.PermitLost | RedisError.RedisError>
) => Effect.Effect<A, ModelError | Limit.RateLimited | Limit.PermitLost | RedisError.RedisError>

export interface DayBudgets {
  /** Whether a budget is in money: then every model needs a price. */
  readonly areInMoney: boolean
  /**
   * Runs a call within both budgets.
   * - UserBudgetSpent, DayBudgetSpent: it was not made
   */
  readonly within: Within
}

const unitsOf = (budget: Setting.Budget, { cost, tokens }: Spending): number =>
  "cost" in budget ? (cost ?? 0) : tokens

/** One of the two; `budget` null: no bound. */
const bound =
  (
    limiter: RateLimiter.RateLimiter["Service"],
    name: string,
    budget: Setting.Budget | null,
    spent: (facts: { readonly provider: string; readonly model: string; readonly message: string }) => ModelError
  ): ((key: string | undefined) => Within) =>
  (key) => {
    if (budget === null) return (_, _expected, work) => work(() => undefined)
    const limit = Limit.make(name, { units: "cost" in budget ? budget.cost : budget.tokens, window: "24 hours" })
    return ({ model, provider }, expected, work) =>
      Effect.flatMap(Attempt, (attempt) =>
        limiter
          .use(
            limit,
            { units: unitsOf(budget, expected), patience: 0, ...(key === undefined ? {} : { key }) },
            (permit) =>
              work((spending) => permit.used(unitsOf(budget, spending))).pipe(
                Effect.provideService(Attempt, attempt),
                // of another limit
                Effect.mapError((error) => ({ error }))
              )
          )
          .pipe(
            // nobody waits a day in line
            Effect.provideService(Attempt, { place: null, untimed: attempt.untimed }),
            Effect.mapError((failure) =>
              "error" in failure
                ? failure.error
                : failure._tag === "RateLimited"
                  ? spent({ provider, model, message: `what model calls may cost in a day is spent (${name})` })
                  : failure
            )
          )
      )
  }

export const make = Effect.fnUntraced(function* (
  limiter: RateLimiter.RateLimiter["Service"]
): Effect.fn.Return<DayBudgets, Config.ConfigError> {
  const { all, user } = yield* settings
  const ofAll = bound(limiter, "budget/day", all, (facts) => new DayBudgetSpent(facts))(undefined)
  const ofUser = bound(limiter, "budget/user-day", user, (facts) => new UserBudgetSpent(facts))
  return {
    areInMoney: [all, user].some((budget) => budget !== null && "cost" in budget),
    within: (call, expected, work) =>
      ofUser(call.owner)(call, expected, (spentByUser) =>
        ofAll(call, expected, (spentByAll) =>
          work((spending) => {
            spentByUser(spending)
            spentByAll(spending)
          })
        )
      )
  }
})
