/**
 * document: renders the news page as HTML on the server. It is complete without JavaScript; news.js only fetches the next page
 * when the reader comes near the end, and takes its cards from the same document. Everything from outside is escaped; addresses
 * are http(s), by Article.
 */
import type { Article } from "../domain/Article.ts"
import { lists } from "../store/ArticlePage.ts"
import type { List } from "../store/ArticlePage.ts"
import { texts } from "./texts.ts"
import type { Language } from "./texts.ts"

export interface View {
  readonly language: Language
  /** The reader's choice; null if the browser's setting decides. */
  readonly chosen: Language | null
  readonly list: List
  readonly isFirst: boolean
  readonly content:
    | { readonly _tag: "Articles"; readonly articles: ReadonlyArray<Article>; readonly next: string | null }
    | { readonly _tag: "Unavailable" }
    | { readonly _tag: "BadQuery" }
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}
const escape = (text: string): string => text.replace(/[&<>"']/g, (found) => entities[found] ?? found)

const address = (parts: Readonly<Record<string, string | null>>): string => {
  const query = new URLSearchParams(
    Object.entries(parts).flatMap(([name, value]) => (value === null ? [] : [[name, value] as [string, string]]))
  )
  return escape(query.size === 0 ? "/news" : `/news?${query}`)
}
const ofList = (list: List) => (list === "all" ? null : list)

const formats = {
  ko: new Intl.DateTimeFormat("ko-KR", { dateStyle: "long", timeStyle: "short", timeZone: "Asia/Seoul" }),
  en: new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short", timeZone: "Asia/Seoul" })
}

const picture = ({ thumbnail_url, title }: Article, language: Language) =>
  thumbnail_url === null
    ? `<div class="picture none" aria-hidden="true"></div>`
    : `<div class="picture"><img src="${escape(thumbnail_url)}" alt="${escape(texts[language].pictureOf(title))}" loading="lazy" decoding="async" referrerpolicy="no-referrer" width="640" height="360"></div>`

const card = (article: Article, language: Language): string => {
  const { category, id, published_at, snippet, source_name, title, url } = article
  const press = source_name === null ? "" : `<span class="press" dir="auto">${escape(source_name)}</span>`
  return `<li class="news-card" data-id="${escape(id)}" data-testid="article">
  ${picture(article, language)}
  <div class="text">
    <p class="about"><span class="kind">${texts[language].list[category]}</span>${press}<time datetime="${published_at}">${formats[language].format(new Date(published_at))}</time></p>
    <h2><a href="${escape(url)}" target="_blank" rel="noopener noreferrer nofollow"><span class="title" dir="auto" title="${escape(title)}">${escape(title)}</span><span class="unseen"> (${texts[language].opens})</span></a></h2>
    ${snippet === "" ? "" : `<p class="snippet" dir="auto">${escape(snippet)}</p>`}
  </div>
</li>`
}

const articlesOf = ({ chosen, content, isFirst, language, list }: View): string => {
  const words = texts[language]
  const notice = (text: string) => `<p class="notice" data-testid="notice">${text}</p>`
  const back = `<p><a class="button" href="${address({ category: ofList(list), lang: chosen })}">${words.back}</a></p>`
  if (content._tag === "Unavailable") return notice(words.unavailable)
  if (content._tag === "BadQuery") return notice(words.badQuery) + back
  if (content.articles.length === 0 && isFirst) return notice(words.empty)
  const next =
    content.next === null
      ? `<p class="end" id="end" data-testid="end">${words.end}</p>`
      : `<a class="button primary" id="more" data-testid="more" rel="next" href="${address({ category: ofList(list), lang: chosen, cursor: content.next })}" data-loading="${words.loading}" data-loaded="${words.loaded}" data-failed="${words.failed}">${words.more}</a>`
  return `<ul class="news-list" id="articles" role="list">
${content.articles.map((article) => card(article, language)).join("\n")}
</ul>
<div class="after">${next}${isFirst ? "" : back}</div>`
}

export const render = (view: View): string => {
  const { chosen, language, list } = view
  const words = texts[language]
  const other: Language = language === "ko" ? "en" : "ko"
  const tab = (name: List) =>
    `<a href="${address({ category: ofList(name), lang: chosen })}" data-testid="category-${name}"${name === list ? ' aria-current="page"' : ""}>${words.list[name]}</a>`
  return `<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="color-scheme" content="light dark">
<meta name="theme-color" content="#f3f2ea" media="(prefers-color-scheme: light)">
<meta name="theme-color" content="#111713" media="(prefers-color-scheme: dark)">
<meta name="description" content="${words.description}">
<title>${words.title} · Eco²</title>
<link rel="icon" href="/news/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/news/assets/style.css">
<script type="module" src="/news/assets/news.js"></script>
</head>
<body>
<a class="skip" href="#main">${words.skip}</a>
<header class="top">
  <a class="brand" href="/"><img src="/news/assets/icon.svg" alt="" width="36" height="36"><span>Eco<sup>2</sup></span></a>
  <nav class="side"><a class="button quiet" href="/">${words.scan}</a>
  <a class="button quiet" id="language" data-testid="language" lang="${other}" href="${address({ category: ofList(list), lang: other })}">${words.switchTo}</a></nav>
</header>
<main id="main" tabindex="-1">
  <section class="intro"><h1>${words.title}</h1><p>${words.lead}</p></section>
  <nav class="tabs" aria-label="${words.categories}">${lists.map(tab).join("")}</nav>
  ${articlesOf(view)}
  <p class="unseen" id="announce" role="status" aria-live="polite"></p>
</main>
<footer class="bottom"><p>${words.note}</p><a href="/api/v1/info/docs">${words.docs}</a></footer>
</body>
</html>
`
}
