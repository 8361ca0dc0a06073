/**
 * ImageAddress: the addresses of uploaded pictures: what they are called, where they are put and shown, and what makes them ours.
 *   - a name has a seal of the installation, so a submit knows its own pictures under whatever host they are named
 *   - an upload's address lets its bearer put one picture for one user, until it expires; nothing else in it can be changed
 * Pure.
 */
import { UploadedPictures } from "@eco2/core/client"
import { Schema } from "effect"
import { createHmac, timingSafeEqual } from "node:crypto"

/** What a picture is for, in the words of clients; all are kept alike. */
export const Channel = Schema.Literals(["scan", "chat", "my"])
export type Channel = typeof Channel.Type

const extensions = { "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/gif": "gif" } as const
export const ContentType = Schema.Literals(["image/jpeg", "image/png", "image/webp", "image/gif"])
export type ContentType = typeof ContentType.Type

export interface ImageName {
  readonly channel: Channel
  readonly id: UploadedPictures.PictureId
  readonly contentType: ContentType
}

export const path = "/api/v1/images"
/** Before the key of an upload's address. Whoever has the address needs no token: filters in front let it through. */
export const uploadPath = `${path}/upload`
/** How long an upload's address is good. */
export const expirySeconds = 900

const sign = (secret: string, ...words: ReadonlyArray<string>): Buffer =>
  createHmac("sha256", secret).update(JSON.stringify(words)).digest()
const isSigned = (given: string, wanted: Buffer): boolean => {
  const bytes = Buffer.from(given, "base64url")
  return bytes.length === wanted.length && timingSafeEqual(bytes, wanted)
}

const seal = (secret: string, { channel, contentType, id }: ImageName): string =>
  sign(secret, "name", channel, id, contentType).toString("hex").slice(0, 32)

/** `scan/<id>-<seal>.jpg`: the path of the picture below `path`, and its key in a storage. */
export const keyOf = (secret: string, name: ImageName): string =>
  `${name.channel}/${name.id}-${seal(secret, name)}.${extensions[name.contentType]}`

const file = /^([0-9a-f]{32})-([0-9a-f]{32})\.(jpg|png|webp|gif)$/
const isChannel = Schema.is(Channel)
const isId = Schema.is(UploadedPictures.PictureId)
const typeOf = (extension: string): ContentType | undefined =>
  ContentType.literals.find((type) => extensions[type] === extension)

/** The picture of this channel and file; null if the name is none of this installation's. */
export const parse = (secret: string, channel: string, name: string): ImageName | null => {
  const [, id = "", given = "", extension = ""] = file.exec(name) ?? []
  const contentType = typeOf(extension)
  if (!isChannel(channel) || !isId(id) || contentType === undefined) return null
  const parsed = { channel, id, contentType }
  return timingSafeEqual(Buffer.from(given), Buffer.from(seal(secret, parsed))) ? parsed : null
}

/** Channel and file of an address that is shaped like ours, sealed or not. */
export const partsOf = (url: URL): { readonly channel: string; readonly file: string } | null => {
  if (!url.pathname.startsWith(`${path}/`)) return null
  const [channel = "", name = "", ...more] = url.pathname.slice(path.length + 1).split("/")
  return isChannel(channel) && file.test(name) && more.length === 0 ? { channel, file: name } : null
}

/** The query of an upload's address. */
export interface Grant {
  readonly user: string
  /** Epoch seconds. */
  readonly expires: string
  readonly signature: string
}

const signatureOf = (secret: string, key: string, user: string, expires: string): Buffer =>
  sign(secret, "put", key, user, expires)

/** Lets its bearer put one picture for one user until it expires. `nowMillis`: epoch milliseconds. */
export const grant = (secret: string, key: string, user: string, nowMillis: number): Grant => {
  const expires = String(Math.floor(nowMillis / 1000) + expirySeconds)
  return { user, expires, signature: signatureOf(secret, key, user, expires).toString("base64url") }
}

/** Whether it was granted for this key, and is not over. */
export const isGranted = (
  secret: string,
  key: string,
  { expires, signature, user }: Grant,
  nowMillis: number
): boolean => isSigned(signature, signatureOf(secret, key, user, expires)) && nowMillis < Number(expires) * 1000
