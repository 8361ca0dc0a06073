/**
 * UserTurns: gives each user one turn in each turn of the event loop, in the order of asking, so that the work of one user is
 * done between the others' and never all at once. For work that comes in slices, such as the chunks of request bodies
 * (RequestBody). Nothing is kept of a user who waits for nothing.
 */
import { Effect } from "effect"

export interface UserTurns {
  /** Null: it is the user's turn. Else what to wait for; interruption gives the place up. */
  readonly take: (user: string) => Effect.Effect<void> | null
}

export const make = (): UserTurns => {
  /** By the users who had a turn in this turn of the loop: those that wait for the next ones. */
  const waiting = new Map<string, Set<() => void>>()
  const next = (user: string, line: Set<() => void>) => {
    const [first] = line
    if (first === undefined) return void waiting.delete(user)
    line.delete(first)
    setImmediate(next, user, line)
    first()
  }
  return {
    take: (user) => {
      const line = waiting.get(user)
      if (line !== undefined) {
        return Effect.callback((resume) => {
          const begin = () => resume(Effect.void)
          line.add(begin)
          return Effect.sync(() => void line.delete(begin))
        })
      }
      const own = new Set<() => void>()
      waiting.set(user, own)
      setImmediate(next, user, own)
      return null
    }
  }
}
