/**
 * `npm run start:deno`, `npm run start:deno -- <role>`: runs a role under Deno with only the permissions it needs
 * (deploy/local/DenoPermissions.ts). Deno replaces this process, so signals reach it directly.
 */
import { fileURLToPath } from "node:url"
import * as DenoPermissions from "../deploy/local/DenoPermissions.ts"
import * as SystemProgram from "../deploy/local/SystemProgram.ts"

const [name = "all"] = process.argv.slice(2)
const role = DenoPermissions.roles[name]
const deno = fileURLToPath(new URL("../node_modules/.bin/deno", import.meta.url))
const root = fileURLToPath(new URL("../", import.meta.url))

const stop = (line: string): never => {
  console.error(`eco2: ${line}`)
  process.exit(1)
}

if (role === undefined) {
  stop(`no role is called ${name}; there are ${Object.keys(DenoPermissions.roles).join(", ")}`)
} else {
  // Deno may not install it itself
  if (name === "all" && !process.env.REDIS_URL) {
    await SystemProgram.ensure(SystemProgram.redisServer, (line) => console.error(`eco2: ${line}`)).catch((error) =>
      stop(error instanceof Error ? error.message : String(error))
    )
  }
  process.chdir(root)
  const words = ["run", ...DenoPermissions.of(role, process.env), role.main]
  if (process.execve === undefined) stop("Node 24 is needed, on Linux or macOS")
  else process.execve(deno, [deno, ...words], { ...process.env, DENO_NO_UPDATE_CHECK: "1" })
}
