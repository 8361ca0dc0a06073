/** ImageRefusal: the API's refusals for uploaded pictures, and for each error of their stores. */
import type { RedisError } from "@eco2/core/client"
import { Refusal } from "@eco2/core/http"
import { Effect } from "effect"
import type { KeepError } from "../images/ImageStore.ts"
import { fromRedis, imagesFull } from "./SubmitRefusal.ts"

/** A picture that is not there, has expired, or is another user's. */
export const noImage = Refusal.make(404, "IMAGE_NOT_FOUND", "no such picture, or it has expired")
/** In a submit. */
export const noUpload = Refusal.invalid(
  ["body", "image_url"],
  "nothing was uploaded to this address, or it has expired",
  "value_error.url"
)
export const noPicture = Refusal.invalid(["body"], "the body is no JPEG, PNG, WebP or GIF", "value_error")

/** The part of Redis's memory from which on pictures are refused. */
const fullFrom = 0.8

/** 503 while Redis has no room for pictures. */
export const withRoom = Effect.fnUntraced(function* (memoryUse: Effect.Effect<number, RedisError.RedisError>) {
  if ((yield* Effect.mapError(memoryUse, fromRedis)) > fullFrom) {
    return yield* Refusal.make(
      503,
      "STORAGE_FULL",
      "the store has no room for images now; try again later",
      "10 seconds"
    )
  }
})

export const of = (error: KeepError) => {
  switch (error._tag) {
    case "ImagesFull":
      return imagesFull
    case "UploadGone":
    case "StorageFailed":
      return Refusal.unavailable("the picture was not stored; try again")
    default:
      return fromRedis(error)
  }
}
