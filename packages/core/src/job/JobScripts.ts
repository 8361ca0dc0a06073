/**
 * JobScripts: the scripts of JobStore and what they reply. Their headers say what each does and which invariants it keeps.
 */
import { Schema } from "effect"
import { movesEntries } from "../mailbox/Mailbox.ts"
import { JobId } from "./Job.ts"
import * as Script from "../redis/Script.ts"

/** Preludes of every script that changes a job. */
export const movesJobs: ReadonlyArray<URL> = [
  ...movesEntries,
  new URL("./scripts/fence.lua", import.meta.url),
  new URL("./scripts/history.lua", import.meta.url),
  new URL("./scripts/job.lua", import.meta.url)
]

/** Preludes of every script that counts a user's images. */
const countsImages: ReadonlyArray<URL> = [...movesJobs, new URL("./scripts/images.lua", import.meta.url)]

const script = <A>(name: string, reply: Schema.ConstraintDecoder<A>, preludes = movesJobs) =>
  Script.make({
    file: new URL(`./scripts/${name}.lua`, import.meta.url),
    preludes,
    numberOfKeys: "root",
    reply
  })

export const submit = script(
  "submit",
  Schema.Array(
    Schema.Tuple([
      Schema.Literals([
        "created",
        "exists",
        "conflict",
        "full",
        "lane-full",
        "rate-limited",
        "images-full",
        "upload-gone"
      ]),
      Schema.String
    ])
  ),
  countsImages
)
export const keepPicture = script(
  "keep-picture",
  Schema.Tuple([Schema.Literals(["kept", "images-full", "upload-gone"]), Schema.Int]),
  countsImages
)
export const usePicture = script("use-picture", Schema.Literals([0, 1]), countsImages)
export const begin = script("begin", Schema.Array(Schema.Array(Schema.Union([Schema.String, Schema.Number]))))
export const commit = script(
  "commit",
  Schema.Array(Schema.Tuple([Schema.Literals(["committed", "kept", "ended", "lost", "gone"]), Schema.Number]))
)
export const readHistory = script("read-history", Schema.Array(Schema.String))
export const historyLengths = script("history-lengths", Schema.Array(Schema.Int))
export const defer = script("defer", Schema.Tuple([Schema.Literals(["deferred", "lost", "gone"]), Schema.Number]))
export const bury = script(
  "bury",
  Schema.Tuple([Schema.Literals(["buried", "parked", "lost", "gone"]), Schema.String, Schema.Number])
)
export const redrive = script("redrive", Schema.Literals(["redriven", "open", "missing"]))
export const erase = script(
  "erase",
  Schema.Tuple([Schema.NumberFromString, Schema.Int, Schema.Array(JobId)]),
  countsImages
)
export const cancel = script(
  "cancel",
  Schema.Tuple([Schema.Literals(["cancelled", "already", "finished", "missing"]), Schema.String])
)
