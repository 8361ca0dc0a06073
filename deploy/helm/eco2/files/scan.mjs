/**
 * The chart's test, on Node alone: the gateway is ready, refuses a caller without a token, and completes a scan with the
 * simulated model, whose result can then be read. Exit code 0, or 1 with one line that says what is wrong.
 * Environment: ECO2_URL, AUTH_MODE, and for jwt JWT_SECRET, JWT_ISSUER, JWT_AUDIENCE (or TEST_TOKEN, if an issuer publishes its
 * keys); SIMULATED_MODEL says whether the scan may be tried.
 */
import { createHmac, randomUUID } from "node:crypto"
import { setTimeout as delay } from "node:timers/promises"

const { AUTH_MODE, ECO2_URL, JWT_AUDIENCE, JWT_ISSUER, JWT_SECRET, SIMULATED_MODEL, TEST_TOKEN } = process.env
const deadline = Date.now() + Number(process.env.TEST_SECONDS ?? 120) * 1_000
/** One transparent pixel. */
const picture =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="

const fail = (line) => {
  throw new Error(line)
}
const call = (path, options = {}) =>
  fetch(new URL(path, ECO2_URL), { ...options, signal: AbortSignal.timeout(Math.max(1, deadline - Date.now())) })
/** Waits for status 200 within a time limit, because the test may start right after the installation. */
const ready = async () => {
  for (let last = "no answer"; ;) {
    try {
      const response = await call("/readyz")
      if (response.ok) return
      last = `${response.status} ${await response.text()}`
    } catch (error) {
      last = String(error.cause ?? error)
    }
    if (Date.now() + 2_000 > deadline) fail(`the gateway at ${ECO2_URL} does not become ready: ${last}`)
    await delay(1_000)
  }
}

const mint = (secret) => {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url")
  const now = Math.floor(Date.now() / 1_000)
  const claims = { sub: "helm-test", jti: randomUUID(), iss: JWT_ISSUER, aud: JWT_AUDIENCE, iat: now, exp: now + 600 }
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`
}
const credentials = () => {
  const token = TEST_TOKEN || (JWT_SECRET ? mint(JWT_SECRET) : "")
  // in a mesh, authz checks the token first and sets X-User-ID
  if (AUTH_MODE !== "jwt") return { "x-user-id": "helm-test", ...(token ? { authorization: `Bearer ${token}` } : {}) }
  return token ? { authorization: `Bearer ${token}` } : null
}

/** The name of a stream's last event. */
const lastEvent = async (path, headers) => {
  const response = await call(path, { headers: { ...headers, accept: "text/event-stream" } })
  if (!response.ok) fail(`GET ${path}: ${response.status} ${await response.text()}`)
  let text = ""
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) text += chunk
  return [...text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name).findLast((name) => name !== "keepalive")
}

const scan = async (headers) => {
  const submitted = await call("/api/v1/scan", {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ image_url: picture, user_input: "helm test", model: "simulated" })
  })
  const body = await submitted.json()
  if (!submitted.ok) fail(`POST /api/v1/scan: ${submitted.status} ${JSON.stringify(body)}`)
  const last = await lastEvent(body.stream_url, headers)
  const response = await call(body.result_url, { headers })
  const result = await response.json()
  if (last !== "done" || result.status !== "completed")
    fail(`the scan ended with ${last}, its result is ${response.status} ${JSON.stringify(result)}`)
  console.log(
    `scan ${body.job_id}: done, ${result.pipeline_result.classification_result.classification.major_category}`
  )
}

try {
  await ready()
  if (AUTH_MODE === "jwt") {
    const stranger = await call("/api/v1/scan", { method: "POST", body: "{}" })
    await stranger.arrayBuffer()
    if (stranger.status !== 401) fail(`a caller without a token got ${stranger.status}, not 401`)
    console.log("a caller without a token is turned away")
  }
  const headers = credentials()
  if (headers === null)
    console.log("no scan was tried: keys are published by an issuer; set TEST_TOKEN to one of its tokens")
  else if (SIMULATED_MODEL !== "true") console.log("no scan was tried: set settings.SIMULATED_MODEL=true to have one")
  else await scan(headers)
} catch (error) {
  console.error(`test failed: ${error.message}`)
  process.exitCode = 1
}
