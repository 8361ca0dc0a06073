/**
 * Remainder: the bytes that are left of a file when parts of it are taken out or replaced. A walker names the parts from the
 * front to the back, and nothing is moved while it walks. Then what is left moves together within the file's own memory, so a
 * picture of 10 MiB is held once; a part costs two numbers, so a file of a million parts costs no more than its own size.
 * Used by JpegMetadata, PngMetadata, WebPMetadata, GifMetadata.
 */
import * as Steps from "./Steps.ts"

export interface Remainder {
  /** Keeps the bytes `from` ≤ … < `to`. */
  readonly keep: (from: number, to: number) => void
  /** Keeps a part that should read `wanted`: unchanged if it does, replaced if not. */
  readonly put: (from: number, to: number, wanted: Uint8Array) => void
  /**
   * The file itself if all of it was kept; else its first bytes, written over; a new array if what is put in needs more room. In
   * steps (Steps).
   */
  readonly bytes: () => Steps.Steps<Uint8Array>
}

/** A long stretch is moved in pieces of this size, so that a step is short. */
const pieceBytes = 1024 * 1024

const reads = (file: Uint8Array, from: number, to: number, wanted: Uint8Array): boolean =>
  to - from === wanted.length && wanted.every((byte, at) => file[from + at] === byte)

export const make = (file: Uint8Array): Remainder => {
  /** Pairs: where a kept stretch begins and ends in the file; or -1 and the index of what is put in. */
  const parts: Array<number> = []
  const inserted: Array<Uint8Array> = []
  let [from, to] = [0, 0] // the stretch that is growing
  /** Bytes that are left so far, and whether none of them comes to lie on a stretch that has yet to move. */
  let [length, hasRoom] = [0, true]
  const close = () => {
    if (to === from) return
    hasRoom &&= length <= from
    length += to - from
    parts.push(from, to)
  }
  const keep = (first: number, last: number) => {
    if (first !== to) {
      close()
      from = first
    }
    to = last
  }
  return {
    keep,
    put: (first, last, wanted) => {
      if (reads(file, first, last, wanted)) return keep(first, last)
      close()
      ;[from, to] = [last, last]
      parts.push(-1, inserted.push(wanted) - 1)
      length += wanted.length
    },
    bytes: function* () {
      if (parts.length === 0 && from === 0 && to === file.length) return file
      close()
      const isInPlace = hasRoom && length <= file.length
      const left = isInPlace ? file.subarray(0, length) : new Uint8Array(length)
      const pace = Steps.pace()
      let end = 0
      for (let at = 0; at < parts.length; at += 2) {
        const [first = 0, last = 0] = [parts[at], parts[at + 1]]
        const part = (first < 0 ? inserted[last] : undefined) ?? file.subarray(first, last)
        for (let moved = 0; moved < part.length; moved += pieceBytes) {
          left.set(part.subarray(moved, moved + pieceBytes), end + moved)
          if (moved > 0) yield
        }
        end += part.length
        if (pace.isDue()) yield
      }
      return left
    }
  }
}
