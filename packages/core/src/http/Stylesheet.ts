/** Stylesheet: a page's sheet with base.css in front of it, as one file: the pages of all packages look like one, in one request. */
import { readFileSync } from "node:fs"

const base = readFileSync(new URL("./base.css", import.meta.url))

/** The bytes to serve for the sheet at `path`. */
export const read = (path: string): Uint8Array => Buffer.concat([base, readFileSync(path)])
