/**
 * Classification: decides an article's category: the source's own category first, then the words of title, keywords and
 * snippet, then the category whose search found it, else environment. Pure.
 * Words count, not letters that happen to stand together: 회원전용 has no nuclear power in it (원전), and 은퇴비용 no compost (퇴비);
 * a political climate is none, and neither is plastic surgery.
 */
import { Article } from "../domain/Article.ts"
import type { Category } from "../domain/Article.ts"
import type { FoundArticle } from "../source/FoundArticle.ts"

/** Korean words of two syllables are a word's beginning, alone or behind what they are usually compounded with. */
const short = (word: string, { after = "", before = "" }: { readonly after?: string; readonly before?: string } = {}) =>
  `(?<![가-힣])(?:(?:${before === "" ? "(?!)" : before})\\s?)?${word}${after === "" ? "" : `(?!${after})`}`

/** Surroundings that are no nature. */
const otherEnvironments = [
  ...[
    "근무",
    "근로",
    "교육",
    "투자",
    "경영",
    "작업",
    "사업",
    "주거",
    "정주",
    "학습",
    "시장",
    "금융",
    "업무",
    "영업",
    "개발",
    "통신"
  ],
  ...[
    "네트워크",
    "보안",
    "클라우드",
    "정치",
    "경제",
    "양육",
    "보육",
    "창업",
    "기업",
    "수출",
    "무역",
    "규제",
    "안보",
    "인터넷",
    "게임"
  ],
  ...["사용", "이용", "제작", "촬영", "훈련", "경기", "있는", "좋은", "하는"]
].join("|")
const notOf = (words: string) => `(?<!(?:${words})[\\s-]+)`

/** Patterns that indicate a category; Latin ones match whole words. The first category wins a tie. */
const words: ReadonlyArray<
  readonly [Category, { readonly korean: ReadonlyArray<string>; readonly latin: ReadonlyArray<string> }]
> = [
  [
    "ai",
    {
      korean: [
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
        short("로봇")
      ],
      latin: [
        ...["ai", "a\\.i\\.", "artificial intelligence", "machine learning", "deep learning", "generative", "chatgpt"],
        ...["llms?", "neural networks?", "(?:large )?language models?", "data cent(?:er|re)s?", "robots?", "chatbots?"]
      ]
    }
  ],
  [
    "energy",
    {
      korean: [
        ...[
          "에너지",
          "태양광",
          "원자력",
          "원자로",
          "핵융합",
          "발전소",
          "전기\\s?요금",
          "(?<!야구 )배터리(?! 호흡)",
          "전기차"
        ],
        ...["바이오가스", "연료전지", "천연가스", "도시가스", "한국전력", "(?<![가-힣])한전(?![가-힣])"],
        short("풍력", { before: "해상|육상|소형|부유식" }),
        short("수소", { before: "그린|블루|청정|액화|청록", after: "문" }),
        short("원전", {
          before: "탈|소형|노후|신규|한빛|신?고리|월성|신?한울|체코|해외|차세대",
          after: "투구|용|\\s?번역"
        }),
        `${short("전력", { before: "산업용|가정용|심야" })}(?=\\s?(?:망|난|수급|량|공급|수요|시장|거래|요금|설비|계통|생산|소비|사용|공사|판매|산업|기기|예비|구매|대란|위기))`,
        short("송전"),
        short("수력", { before: "소", after: "학" }),
        short("지열", { after: "[한하]" }),
        short("석탄", { before: "탈|무연|유연", after: "일" })
      ],
      latin: [
        `${notOf("full of|lots of")}energy(?! drinks?)`,
        "solar(?! (?:eclipses?|systems?|storms?|flares?))",
        ...["wind (?:power|farms?|turbines?)", "offshore wind", "renewables?", "hydrogen", "uranium", "geothermal"],
        "nuclear(?! (?:famil|weapon|war|arsenal|deterr|bomb|test|threat|strike|submarine)[a-z]*)",
        `${notOf("assault and")}batter(?:y|ies)`,
        ...["electricity", "(?:power )?grid(?= operator)|power grid", "hydropower", "photovoltaics?", "fossil fuels?"],
        ...["coal", "natural gas", "electric (?:vehicle|car)s?", "evs?"]
      ]
    }
  ],
  [
    "environment",
    {
      korean: [
        ...[
          "분리배출",
          "분리수거",
          "재활용",
          "쓰레기",
          "폐기물",
          "플라스틱",
          "페트병",
          "종이팩",
          "폐비닐",
          "일회용",
          "다회용"
        ],
        ...["온실가스", "미세먼지", "생물다양성", "업사이클", "자원순환", "제로웨이스트", "매립지", "침출수"],
        "환경(?:부|단체|오염|보호|운동|공단|영향|파괴|보전)",
        `(?<!(?:${otherEnvironments})\\s?)${short("환경", { before: "친|대기|수질|지구|자연|생활|해양" })}`,
        short("탄소", { before: "저|탈|이산화" }),
        short("기후", { before: "이상", after: "동행" }),
        short("생태", { before: "자연|해양|산림|하천|갯벌", after: "탕|찌개" }),
        short("오염", { before: "환경|수질|대기|토양|해양|하천|공기|식수|방사능" }),
        short("멸종"),
        short("퇴비", { before: "음식물", after: "용" })
      ],
      latin: [
        `${notOf("work|working|learning|business|home|school|office|hostile|economic|investment|market|development|family")}environment`,
        ...["environmental", "recycl(?:e|es|ed|ing)", "pollution", "(?:micro)?plastics?(?! surg[a-z]*)"],
        `${notOf("nuclear|to|not")}waste(?! (?:of|no|any|time|money)\\b)`,
        `${notOf("political|economic|business|hiring|investment|social|market|financial|current")}climate`,
        ...["carbon(?! (?:cop|fib|dat)[a-z]*)", "emissions", "greenhouse gas(?:es)?", "biodiversity", "ecosystems?"],
        ...["compost(?:ing)?", "landfills?", "litter(?! of)", "circular economy", "sustainab(?:le|ility)", "wildlife"],
        ...["deforestation", "sewage", "oil spills?"]
      ]
    }
  ]
]

/** Bird flu: Korean texts abbreviate it to AI as well. */
const birdFlu = /조류\s*(?:인플루엔자|독감)|고병원성|가금|방역|avian|bird flu/i

const patterns = words.map(([category, { korean, latin }]) => {
  const spaced = latin.map((word) => word.replace(/ /g, "[\\s-]+"))
  const whole = `(?<![a-z0-9])(?:${spaced.join("|")})(?![a-z0-9])`
  return [category, new RegExp([whole, ...korean].join("|"), "gi")] as const
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
