import { it } from "@effect/vitest"
import { strictEqual } from "@effect/vitest/utils"
import * as UuidV5 from "../../../packages/core/src/job/UuidV5.ts"

it("UuidV5 gives the id of RFC 9562, appendix A.4, for its namespace and name", () => {
  const dns = UuidV5.make("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
  strictEqual(dns("www.example.com"), "2ed6657d-e927-568b-95e1-2665a8aea6a2")
})
