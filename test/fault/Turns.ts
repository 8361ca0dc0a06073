/** Turns: waiting for a state of real servers, and faults that happen one after another. */
import { setTimeout as delay } from "node:timers/promises"

/** Repeats a look until it shows what is wanted; a look that rejects is repeated. Rejects after thirty seconds. */
export const until = async (what: string, look: () => Promise<boolean>): Promise<void> => {
  const since = performance.now()
  while (!(await look().catch(() => false))) {
    if (performance.now() - since > 30_000) throw new Error(`${what} did not come about`)
    await delay(20)
  }
}

/** Runs one at a time, in order; a failure does not stop the next. */
export const oneAtATime = <A>(perform: (item: A) => Promise<void>): ((item: A) => Promise<void>) => {
  let turn: Promise<void> = Promise.resolve()
  return (item) => {
    const mine = turn.then(() => perform(item))
    turn = mine.catch(() => undefined)
    return mine
  }
}
