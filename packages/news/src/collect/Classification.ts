/**
 * Classification: decides an article's category: the source's own category first, then the words of title, keywords and
 * snippet, then the category whose search found it, else environment. Pure.
 */
import { Article } from "../domain/Article.ts"
import type { Category } from "../domain/Article.ts"
import type { FoundArticle } from "../source/FoundArticle.ts"

/** Words that indicate a category; Latin ones match whole, Korean ones anywhere. The first category wins a tie. */
const words: ReadonlyArray<readonly [Category, ReadonlyArray<string>]> = [
  [
    "ai",
    [
      ...[
        "인공지능",
        "생성형",
        "머신러닝",
        "딥러닝",
        "챗봇",
        "챗gpt",
        "거대언어모델",
        "언어모델",
        "알고리즘",
        "데이터센터"
      ],
      ...["ai", "a.i.", "artificial intelligence", "machine learning", "deep learning", "generative", "chatgpt", "llm"],
      ...["neural network", "neural networks", "large language model", "data center", "data centers", "robot", "robots"]
    ]
  ],
  [
    "energy",
    [
      ...[
        "에너지",
        "태양광",
        "풍력",
        "수소",
        "원전",
        "원자력",
        "발전소",
        "전력",
        "전기요금",
        "배터리",
        "전기차",
        "송전"
      ],
      ...["수력", "지열", "바이오가스", "연료전지", "석탄", "천연가스"],
      ...[
        "energy",
        "solar",
        "wind power",
        "wind farm",
        "offshore wind",
        "renewable",
        "renewables",
        "hydrogen",
        "nuclear"
      ],
      ...[
        "battery",
        "batteries",
        "electricity",
        "power grid",
        "geothermal",
        "hydropower",
        "photovoltaic",
        "fossil fuel"
      ],
      ...["fossil fuels", "coal", "natural gas", "electric vehicle", "electric vehicles", "ev", "evs"]
    ]
  ],
  [
    "environment",
    [
      ...[
        "환경",
        "분리배출",
        "분리수거",
        "재활용",
        "쓰레기",
        "폐기물",
        "플라스틱",
        "페트병",
        "일회용",
        "다회용",
        "탄소"
      ],
      ...["기후", "온실가스", "미세먼지", "생태", "생물다양성", "오염", "멸종", "업사이클", "자원순환", "퇴비"],
      ...[
        "environment",
        "environmental",
        "recycling",
        "recycle",
        "recycled",
        "waste",
        "plastic",
        "plastics",
        "pollution"
      ],
      ...["climate", "carbon", "emissions", "biodiversity", "ecosystem", "ecosystems", "compost", "landfill", "litter"],
      ...["circular economy", "sustainability", "sustainable", "wildlife", "deforestation"]
    ]
  ]
]

/** Bird flu: Korean texts abbreviate it to AI as well. */
const birdFlu = /조류\s*(?:인플루엔자|독감)|고병원성|가금|방역|avian|bird flu/i

const escaped = (word: string) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
const isLatin = (word: string) => /^[\x20-\x7e]+$/.test(word)
const patterns = words.map(([category, list]) => {
  const latin = list.filter(isLatin).map((word) => escaped(word).replace(/ /g, "[\\s-]+"))
  const korean = list.filter((word) => !isLatin(word))
  return [category, new RegExp(`(?<![a-z0-9])(?:${latin.join("|")})(?![a-z0-9])|${korean.join("|")}`, "gi")] as const
})

/** The number of different words of a category in a text. */
const hits = (pattern: RegExp, text: string): number =>
  new Set([...text.matchAll(pattern)].map(([word]) => word.toLowerCase())).size

/** The category by words; null if none matches. A word in the title counts three, in the keywords two. */
export const byWords = (article: Pick<FoundArticle, "title" | "snippet" | "keywords">): Category | null => {
  const { snippet, title } = article
  const keywords = article.keywords.join("\n")
  const isBirdFlu = birdFlu.test(`${title} ${snippet}`)
  let best: Category | null = null
  let most = 0
  for (const [category, pattern] of patterns) {
    if (category === "ai" && isBirdFlu) continue
    const score = 3 * hits(pattern, title) + 2 * hits(pattern, keywords) + hits(pattern, snippet)
    if (score > most) {
      best = category
      most = score
    }
  }
  return best
}

/** The article with its category. */
export const classify = (found: FoundArticle): Article => {
  const { asked_category, own_category, ...article } = found
  return { ...article, category: own_category ?? byWords(found) ?? asked_category ?? "environment" }
}
