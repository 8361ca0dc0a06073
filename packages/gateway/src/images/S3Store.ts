/**
 * S3Store: ImageStore in a storage that speaks S3 (AWS, MinIO, Ceph, …): one bucket, by path, with requests that aws4fetch
 * signs, bytes included. Redis keeps a mark of each picture (UploadedPictures), so share, owner and expiry are as they are there;
 * an object without its mark is nobody's. Objects are deleted by the bucket's own lifecycle rule.
 * A request has ten seconds and is sent once: whoever asked may ask again.
 */
import { UploadedPictures } from "@eco2/core/client"
import { OutageLog } from "@eco2/core/telemetry"
import { AwsClient } from "aws4fetch"
import { Effect, Layer, Redacted } from "effect"
import { createHash } from "node:crypto"
import { mostImageBytes } from "../http/SubmitBody.ts"
import { ImageStore, StorageFailed } from "./ImageStore.ts"
import type { S3 } from "./ImageStoreConfig.ts"

const timeout = "10 seconds"

export const layer = (config: S3): Layer.Layer<ImageStore, never, UploadedPictures.UploadedPictures> =>
  Layer.effect(
    ImageStore,
    Effect.gen(function* () {
      const pictures = yield* UploadedPictures.UploadedPictures
      const outage = OutageLog.make("the storage of pictures fails", "the storage of pictures works again")
      const client = new AwsClient({
        accessKeyId: config.accessKeyId,
        secretAccessKey: Redacted.value(config.secretAccessKey),
        service: "s3",
        region: config.region,
        retries: 0
      })
      const addressOf = (key: string) => `${config.endpoint}/${config.bucket}/${config.prefix}${key}`

      /** The answer to a request, whatever its status; its body is released with the scope. */
      const ask = (
        key: string,
        init:
          | { readonly method: "GET" }
          | { readonly method: "PUT"; readonly body: Uint8Array; readonly contentType: string }
      ) =>
        Effect.acquireRelease(
          Effect.sync(() => new AbortController()),
          (controller) => Effect.sync(() => controller.abort())
        ).pipe(
          Effect.flatMap((controller) =>
            Effect.tryPromise({
              try: async () => {
                const body = init.method === "PUT" ? Buffer.from(init.body) : null
                const headers = {
                  "x-amz-content-sha256": createHash("sha256")
                    .update(body ?? "")
                    .digest("hex"),
                  ...(init.method === "PUT" ? { "content-type": init.contentType } : {})
                }
                const signed = await client.sign(addressOf(key), { method: init.method, headers, body })
                return fetch(signed, { signal: controller.signal, redirect: "error" })
              },
              catch: (cause) => new StorageFailed({ reason: reasonOf(cause) })
            })
          ),
          Effect.timeoutOrElse({
            duration: timeout,
            orElse: () => Effect.fail(new StorageFailed({ reason: "no answer in time" }))
          })
        )
      /** What is not as it should be is said once, until it is again. */
      const watched = <A, E extends { readonly _tag: string; readonly message: string }, R>(
        work: Effect.Effect<A, E, R>
      ) =>
        work.pipe(
          Effect.tap(() => outage.over),
          Effect.tapError((error) => (error._tag === "StorageFailed" ? outage.failed(error) : Effect.void))
        )

      const refusalOf = (answer: Response, method: string) =>
        Effect.map(codeOf(answer), (code) => {
          const reason = `HTTP ${answer.status} to a ${method}${code === "" ? "" : `, ${code}`}`
          return { code, failure: new StorageFailed({ reason }) }
        })
      const put = Effect.fnUntraced(function* (key: string, body: Uint8Array, contentType: string) {
        const answer = yield* ask(key, { method: "PUT", body, contentType })
        if (!answer.ok) return yield* (yield* refusalOf(answer, "PUT")).failure
      }, Effect.scoped)
      const bytesOf = (answer: Response) =>
        Effect.tryPromise({
          try: async () => new Uint8Array(await answer.arrayBuffer()),
          catch: (cause) => new StorageFailed({ reason: reasonOf(cause) })
        }).pipe(
          Effect.timeoutOrElse({
            duration: timeout,
            orElse: () => Effect.fail(new StorageFailed({ reason: "no answer in time" }))
          })
        )
      const get = Effect.fnUntraced(function* (key: string) {
        const answer = yield* ask(key, { method: "GET" })
        if (!answer.ok) {
          const { code, failure } = yield* refusalOf(answer, "GET")
          // 404 also where the bucket itself is gone
          return answer.status === 404 && code !== "NoSuchBucket" ? null : yield* failure
        }
        const length = Number(answer.headers.get("content-length") ?? Number.NaN)
        // whoever else may write into the bucket: nothing larger is read
        if (!(length <= mostImageBytes))
          return yield* new StorageFailed({ reason: "an object is not as it was stored" })
        return { bytes: length, read: watched(bytesOf(answer)) }
      })

      return ImageStore.of({
        keep: Effect.fnUntraced(function* ({ id, key, owner }, bytes, contentType) {
          yield* pictures.mark(owner, id, bytes.length)
          yield* watched(put(key, bytes, contentType)).pipe(
            // without its bytes it must not count
            Effect.tapError(() => Effect.ignore(pictures.drop(owner, id)))
          )
        }),
        find: Effect.fnUntraced(function* ({ id, key, owner }) {
          return (yield* pictures.size(owner, id)) === "elsewhere" ? yield* watched(get(key)) : null
        }),
        use: ({ id, owner }) => Effect.asVoid(pictures.use(owner, id))
      })
    })
  )

const mostErrorBytes = 16 * 1024
/** What the storage calls its error, such as `NoSuchBucket`; "" if it does not say, or not soon. */
const codeOf = (answer: Response): Effect.Effect<string> =>
  Effect.promise(async () => {
    let text = ""
    const decoder = new TextDecoder("latin1")
    for await (const piece of answer.body ?? []) {
      text += decoder.decode(piece)
      if (text.length > mostErrorBytes) break
    }
    return /<Code>(\w{1,60})<\/Code>/.exec(text)?.[1] ?? ""
  }).pipe(
    Effect.catchDefect(() => Effect.succeed("")), // the connection broke: the status says enough
    Effect.timeoutOrElse({ duration: "1 second", orElse: () => Effect.succeed("") })
  )

/** Without addresses, which a log line need not have. */
const reasonOf = (cause: unknown): string => {
  const inner: unknown = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause
  const code = typeof inner === "object" && inner !== null && "code" in inner ? inner.code : undefined
  return typeof code === "string" ? code : inner instanceof Error ? inner.name : "no answer"
}
