/** What the tests use of `@20minutes/s3rver`, which has no types of its own. */
declare module "@20minutes/s3rver" {
  import type { AddressInfo } from "node:net"
  import type { Readable } from "node:stream"

  export default class S3rver {
    constructor(options: {
      readonly address: string
      readonly port: number
      readonly silent: boolean
      readonly directory: string
      readonly configureBuckets: ReadonlyArray<{ readonly name: string }>
    })
    readonly store: {
      readonly getObject: (bucket: string, key: string) => Promise<{ readonly content: Readable } | null>
    }
    run(): Promise<AddressInfo>
    close(): Promise<void>
  }
}
