/**
 * PagePictures: the pictures that a page names of itself: Open Graph and Twitter cards, `itemprop`, `image_src`, JSON-LD. The
 * few elements that PageHead leaves are made into a document, and asked by selectors; nothing is executed.
 */
import { Option, Schema } from "effect"
import { parseHTML } from "linkedom"
import * as Address from "../domain/Address.ts"
import * as PageHead from "./PageHead.ts"

/** Where pictures are named, best first. */
const places: ReadonlyArray<readonly [selector: string, attribute: string]> = [
  ...["og:image:secure_url", "og:image", "og:image:url"].map((name) => meta(name)),
  ...["twitter:image", "twitter:image:src"].map((name) => meta(name)),
  ['meta[itemprop="image" i]', "content"],
  ['meta[itemprop="thumbnailUrl" i]', "content"],
  ['link[itemprop~="image" i]', "href"],
  ['link[rel~="image_src" i]', "href"]
]
function meta(name: string) {
  return [`meta[property="${name}" i],meta[name="${name}" i]`, "content"] as const
}
const data = 'script[type^="application/ld+json" i]'

const readJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))
const Sized = Schema.Struct({
  url: Schema.optional(Schema.Unknown),
  contentUrl: Schema.optional(Schema.Unknown),
  width: Schema.optional(Schema.Unknown)
})
const Described = Schema.Struct({
  "@graph": Schema.optional(Schema.Unknown),
  mainEntity: Schema.optional(Schema.Unknown),
  image: Schema.optional(Schema.Unknown),
  thumbnailUrl: Schema.optional(Schema.Unknown)
})
const readSized = Schema.decodeUnknownOption(Sized)
const readDescribed = Schema.decodeUnknownOption(Described)
const list = (value: unknown): ReadonlyArray<unknown> =>
  value === undefined ? [] : Array.isArray(value) ? value.slice(0, 20) : [value]

/** The addresses in one `image` of JSON-LD, the largest first. */
const imagesOf = (image: unknown): ReadonlyArray<string> =>
  list(image)
    .flatMap((one) => {
      if (typeof one === "string") return [{ url: one, width: 0 }]
      const sized = Option.getOrNull(readSized(one))
      const url = list(sized?.url ?? sized?.contentUrl)[0]
      return typeof url === "string" ? [{ url, width: Number.parseInt(String(sized?.width), 10) || 0 }] : []
    })
    .toSorted((a, b) => b.width - a.width)
    .map(({ url }) => url)

const inData = (text: string): ReadonlyArray<string> => {
  const documents = list(Option.getOrUndefined(readJson(text)))
  const parts = documents.flatMap((one) => {
    const described = Option.getOrNull(readDescribed(one))
    return described === null ? [] : [one, ...list(described["@graph"]), ...list(described.mainEntity)]
  })
  const described = parts.flatMap((part) => Option.toArray(readDescribed(part)))
  return [
    ...described.flatMap(({ image }) => imagesOf(image)),
    ...described.flatMap((one) => imagesOf(one.thumbnailUrl))
  ]
}

const namedIn = (markup: string): { readonly base: string | null; readonly named: ReadonlyArray<string> } => {
  const { document } = parseHTML(`<!doctype html><html><head>${markup}</head><body></body></html>`)
  const named = places.flatMap(([selector, attribute]) =>
    [...document.querySelectorAll(selector)].map((element) => element.getAttribute(attribute) ?? "")
  )
  const described = [...document.querySelectorAll(data)].flatMap((element) => inData(element.textContent))
  return { base: document.querySelector("base[href]")?.getAttribute("href") ?? null, named: [...named, ...described] }
}

/**
 * The addresses of pictures that a page names, absolute, best first: those of its head, then those of its body.
 * `html`: the page as far as it was read; addresses are relative to its `base`, else to `pageUrl`.
 */
export const picturesIn = (html: string, pageUrl: string): ReadonlyArray<string> => {
  const page = PageHead.make()
  page.write(html)
  const [head, body] = [namedIn(page.head()), page.body() === "" ? null : namedIn(page.body())]
  const base = URL.parse(head.base ?? "", pageUrl)?.href ?? pageUrl
  const named = [...head.named, ...(body?.named ?? [])]
  return [...new Set(named.map((address) => Address.ofPicture(address, base)))].filter((address) => address !== "")
}
