/** countModules: with `node --import`, a process that writes at its end, to standard error, the URLs of the files that it loaded. */
import { registerHooks } from "node:module"

const urls: Array<string> = []
registerHooks({
  load: (url, context, next) => {
    if (url.startsWith("file:")) urls.push(url)
    return next(url, context)
  }
})
process.on("exit", () => process.stderr.write(`modules: ${urls.join("\n")}\n`))
