/**
 * What the tests need from the operating system: a Redis server always, Chromium for the browser tests.
 * Installs what is absent where that is possible. On a build machine (`CI`) nothing may be left out.
 */
import * as SystemProgram from "../deploy/local/SystemProgram.ts"

const say = (line: string) => console.error(`eco2: ${line}`)
const wanted = [
  { program: SystemProgram.redisServer, optional: false },
  { program: SystemProgram.chromium, optional: !process.env.CI }
]

for (const { program, optional } of wanted) {
  try {
    await SystemProgram.ensure(program, say)
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    if (!optional) process.exit(1)
    say("the browser tests are skipped")
  }
}
