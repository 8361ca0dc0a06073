/**
 * MailboxNames: which kind of entries a mailbox holds, as this process's definitions say. A stage's mailbox is
 * `<pipeline>.<stage>`, an actor's has the actor's name, which may have dots too: one name cannot be both, because each would
 * take the other's entries for malformed. Claimed by Pipeline and Actor when they are defined, and read by Unserved; bounded by
 * the definitions in code.
 */
import * as Definition from "../config/Definition.ts"

const kinds = new Map<string, "stage" | "actor">()

/** Throws InvalidDefinition when the other kind has this mailbox. The same kind may claim a name again. */
export const claim = (mailbox: string, kind: "stage" | "actor"): void => {
  const had = kinds.get(mailbox)
  if (had !== undefined && had !== kind) {
    const other = had === "stage" ? "a pipeline's stage has" : "an actor has"
    Definition.refuse(
      `${kind} ${JSON.stringify(mailbox)}`,
      "its mailbox",
      mailbox,
      `a mailbox of its own; ${other} this one`
    )
  }
  kinds.set(mailbox, kind)
}

/** Every mailbox that a definition of this process names. */
export const all = (): ReadonlyArray<string> => [...kinds.keys()]
