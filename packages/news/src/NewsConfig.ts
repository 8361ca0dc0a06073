/** NewsConfig: what an operator may set for the role news-api. A wrong value stops the process at start and names the variable. */
import { Setting } from "@eco2/core"
import { Config } from "effect"

const list = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
const isOrigin = (text: string) =>
  URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) && new URL(text).origin === text

export const NewsConfig = Config.all({
  /** CORS_ORIGINS: origins that may call with credentials, comma list; as in a gateway. Default none. */
  corsOrigins: Setting.parsed<ReadonlyArray<string>>("CORS_ORIGINS", {
    default: [],
    allowed: "a comma list of origins such as https://app.example",
    parse: (text) => (list(text).every(isOrigin) ? list(text) : undefined)
  })
})
