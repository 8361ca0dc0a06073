/**
 * What the former front end needs beside Eco², for a look at it on one machine: its built pages, a user who is signed in, and
 * empty answers for chat and maps; everything else goes to Eco². Start: node deploy/frontend/stub.mjs <folder of its build>
 * (ECO2_URL: where Eco² is, http://127.0.0.1:8080; PORT: 5173). On loopback alone, because everybody is signed in here.
 */
import { createReadStream, statSync } from "node:fs"
import { createServer, request } from "node:http"
import { extname, join, normalize } from "node:path"

const [, , pages = "dist"] = process.argv
const eco2 = new URL(process.env.ECO2_URL ?? "http://127.0.0.1:8080")
const user = { username: "demo", nickname: "이코", phone_number: null, provider: "kakao" }
/** The answers of the services that are not Eco²'s, by method and path. */
const others = [
  [/^(GET|PATCH) \/api\/v1\/users\/me$/, user],
  [/^POST \/api\/v1\/auth\/(refresh|logout)$/, { success: true }],
  [/^GET \/api\/v1\/chat$/, { chats: [], next_cursor: null, has_more: false }],
  [/^GET \/api\/v1\/locations\//, []]
]
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" }

createServer((asked, answer) => {
  const { pathname } = new URL(asked.url ?? "/", "http://localhost")
  const other = others.find(([calls]) => calls.test(`${asked.method} ${pathname}`))
  if (other !== undefined) return answer.setHeader("content-type", "application/json").end(JSON.stringify(other[1]))
  const file = join(pages, normalize(pathname === "/" ? "/index.html" : pathname))
  if (!pathname.startsWith("/api/") && statSync(file, { throwIfNoEntry: false })?.isFile()) {
    return createReadStream(file).pipe(
      answer.setHeader("content-type", types[extname(file)] ?? "application/octet-stream")
    )
  }
  const { headers, method, url: path } = asked
  const onward = request({ host: eco2.hostname, port: eco2.port, method, path, headers }, (response) =>
    response.pipe(answer.writeHead(response.statusCode ?? 502, response.headers))
  )
  asked.pipe(onward.on("error", () => answer.writeHead(502).end()))
}).listen(Number(process.env.PORT ?? 5173), "127.0.0.1", function () {
  console.log(`http://127.0.0.1:${this.address().port}`)
})
