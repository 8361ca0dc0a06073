/** The commands in the operators' documents are commands: each is understood as it is written there. */
import { expect, it } from "vitest"
import { files, read } from "../../harness/Documents.ts"
import { runWith } from "./Operating.ts"

/** What stands for something of the reader's own, by something of that form. */
const filled = (words: string) =>
  words
    .replaceAll("<letter>", "scan.vision/0/1795295982449-0")
    .replaceAll(/<(?:job|id)>/g, "00000000-0000-0000-0000-000000000000")
    .replaceAll(/<[a-z ]+>/g, "example")

/** `eco2 …` in running text; a table of the command line's own page has the notation of a manual. */
const commands = files("docs/operations/**/*.md").flatMap((path) =>
  // more than the name of a command
  [...read(path).matchAll(/`eco2 ([^`[\]|…]+ [^`[\]|…]+|mailboxes|processes|doctor|migrate)`/g)].map(
    ([, words = ""]) => ({ path, words: filled(words).trim() })
  )
)

it("every command that the operators' documents name is understood by the command line", async () => {
  expect(commands.length).toBeGreaterThan(30)
  // a port where nobody answers: what is understood ends with 5, or 1 for the doctor; 2 is a usage error
  const eco2 = runWith({
    ECO2_URL: "http://127.0.0.1:9",
    INTERNAL_SECRET: "s",
    REDIS_URL: "http://x",
    DATABASE_URL: ""
  })
  const asked = await Promise.all(
    [...new Set(commands.map((one) => one.words))].map(async (words) => ({
      words,
      ...(await eco2(...words.split(/\s+/)))
    }))
  )
  // migrate and warm-up need a database; `eco2 jobs show` may stand for the command as such
  const isNameAlone = (words: string, err: string) =>
    words.split(" ").length === 2 && err.includes("Missing required argument")
  const wrong = asked.filter(
    ({ code, err, words }) => code === 2 && !err.includes("DATABASE_URL") && !isNameAlone(words, err)
  )
  expect(wrong.map(({ err, words }) => `${words}: ${err.split("\n").at(-1)}`)).toEqual([])
})
