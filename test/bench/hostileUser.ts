/**
 * The hostile user of `npm run bench:hostile`, in a process of its own and at the lowest priority, so that what it costs to be
 * hostile is not taken for what it costs to be attacked. Arguments: the gateway's address and seconds. Ends by itself, and prints
 * how often it was answered what.
 */
import { request } from "node:http"
import { connect } from "node:net"
import { constants, setPriority } from "node:os"
import { dataUrl } from "../gateway/ScanClient.ts"

const [address = "", seconds = "0"] = process.argv.slice(2)
setPriority(constants.priority.PRIORITY_LOW)

const { hostname, port } = new URL(address)
const at = { hostname, port, headers: { "x-user-id": "mallory", "content-type": "application/json" } }
const answers = new Map<string, number>()
const count = (what: string) => answers.set(what, (answers.get(what) ?? 0) + 1)
const post = (what: string, body: Buffer | string) =>
  new Promise<void>((resolve) => {
    const sent = request({ ...at, method: "POST", path: "/api/v1/scan", agent: false }, (response) => {
      response.resume().once("end", () => {
        count(`${what}: ${response.statusCode}`)
        resolve()
      })
    })
    sent.once("error", () => {
      count(`${what}: closed`)
      resolve()
    })
    sent.end(body)
  })
const get = async (path: string, headers: Readonly<Record<string, string>> = { "x-user-id": "mallory" }) => {
  try {
    const answer = await fetch(`${address}${path}`, { headers })
    await answer.arrayBuffer()
    count(`GET ${path.slice(0, 30)}: ${answer.status}`)
  } catch {
    count(`GET ${path.slice(0, 30)}: closed`)
  }
}
/** Announces a photo, sends a megabyte, and says no more. */
const stalled = () =>
  new Promise<void>((resolve) => {
    const socket = connect(Number(port), hostname)
    socket.once("error", () => resolve()).once("close", () => resolve())
    socket.on("data", (data) => count(`an upload that never ends: ${data.toString("latin1").slice(9, 12)}`))
    socket.write(
      `POST /api/v1/scan HTTP/1.1\r\nhost: a\r\nx-user-id: mallory\r\ncontent-type: application/json\r\ncontent-length: 14000000\r\n\r\n{"image_url":"data:image/png;base64,${"A".repeat(1_048_576)}`
    )
  })
const upgrading = () =>
  new Promise<void>((resolve) => {
    const socket = connect(Number(port), hostname)
    socket.once("error", () => resolve()).once("close", () => resolve())
    socket.on("data", () => count("an upgrade: answered"))
    socket.write("GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")
  })

const until = performance.now() + Number(seconds) * 1_000
const brackets = Buffer.alloc(14_000_000, "[")
const photo = Buffer.from(JSON.stringify({ image_url: dataUrl(Buffer.alloc(10 * 1024 * 1024, 0x5a)) }))
let names = 0
const again = (times: number, attack: () => Promise<void>) =>
  Array.from({ length: times }, async () => {
    while (performance.now() < until) await attack()
  })
const attacks = [
  ...again(4, () => post("brackets", brackets)),
  ...again(28, stalled),
  ...again(2, () => post("a photo of 10 MiB", photo)),
  ...again(2, () => post("a dead name", JSON.stringify({ image_url: `http://dead${names++}.example/a.jpg` }))),
  ...again(2, () => get("/docs")),
  ...again(2, () => get("/openapi.json")),
  ...again(50, upgrading),
  ...again(2, () => get("/api/v1/scan/00000000-0000-4000-8000-000000000000/events")),
  ...again(2, () => get("/api/v1/scan/models", { authorization: `Bearer ${"x".repeat(4_000)}` }))
]
// an attack that no answer ends is left behind
setTimeout(
  () => {
    for (const [what, number] of [...answers].toSorted()) console.log(`${what}: ${number}`)
    process.exit()
  },
  Number(seconds) * 1_000
)
await Promise.all(attacks)
