/**
 * loadedModules: a process that imports one module and prints, as JSON, the URLs of all modules that this loads.
 * `node loadedModules.ts <specifier or URL>`; a specifier is resolved from here, as in any package of the workspace.
 */
import { registerHooks } from "node:module"

const urls: Array<string> = []
registerHooks({
  load: (url, context, next) => {
    urls.push(url)
    return next(url, context)
  }
})
await import(process.argv[2] ?? "")
process.stdout.write(JSON.stringify(urls))
// a module may hold a timer or a socket
process.exit(0)
