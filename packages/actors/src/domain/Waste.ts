/**
 * Waste: the taxonomy that items are classified into (major, middle, minor) and the tags that describe an item's state.
 * Majors and middles are the public contract and closed; minors and tags are our own lists, after public Korean guidance, and
 * are part of the vision model's prompt. Every model's answer passes through `toTaxonomy`.
 * Disposal chooses the rule for a classification, Character the character.
 */
import type { Classification } from "./Scan.ts"

/** The major whose items are collected by material; the only one with middles. */
export const RECYCLABLE = "재활용폐기물"

/** The major of an item that could not be recognised. It has no middle, no minor and no rule. */
export const UNCLASSIFIED = "미분류"

export const majorCategories = [
  RECYCLABLE,
  "일반종량제폐기물",
  "불연성종량제폐기물",
  "음식물류폐기물",
  "대형폐기물",
  "공사장생활폐기물",
  "생활계유해폐기물",
  UNCLASSIFIED
] as const
export type MajorCategory = (typeof majorCategories)[number]

/** The middles of RECYCLABLE. */
export const middleCategories = [
  "종이",
  "종이팩",
  "무색페트병",
  "플라스틱류",
  "비닐류",
  "발포합성수지",
  "유리병",
  "금속류",
  "의류및원단",
  "전지",
  "조명제품",
  "전기전자제품"
] as const
export type MiddleCategory = (typeof middleCategories)[number]

/** The keys of `minorItems`: a middle for recyclables, otherwise the major. */
export type MinorGroup = MiddleCategory | Exclude<MajorCategory, typeof RECYCLABLE | typeof UNCLASSIFIED>

const list = (text: string): ReadonlyArray<string> => text.trim().split(/,\s*/)

/** Items people throw away, by group. An item is in one group only. */
export const minorItems: Readonly<Record<MinorGroup, ReadonlyArray<string>>> = {
  종이: list(`
    골판지 상자, 택배 상자, 신문지, 책, 노트, 잡지, 전단지, 달력, 종이 카탈로그, 복사용지, 종이 봉투,
    종이 쇼핑백, 과자 상자, 달걀판(종이), 휴지심, 종이 포장지, 종이 완충재
  `),
  종이팩: list(`
    우유팩, 생크림팩, 냉장 주스팩, 두유팩, 멸균 우유팩, 상온 주스팩, 소주팩, 육수팩, 종이컵, 종이 음료컵,
    자판기 커피컵
  `),
  무색페트병: list(`
    생수병, 탄산수병, 투명 음료수 페트병, 투명 탄산음료 페트병, 투명 이온음료 페트병, 투명 차음료 페트병,
    투명 주스 페트병, 투명 커피 페트병
  `),
  플라스틱류: list(`
    유색 페트병, 샴푸통, 세제통, 식용유병, 간장병, 요구르트병, 화장품 용기(플라스틱), 플라스틱 컵, 배달 용기,
    플라스틱 도시락 용기, 반찬통, 과일 용기, 달걀판(플라스틱), 두부 용기, 플라스틱 대야, 플라스틱 바구니,
    플라스틱 병뚜껑, 플라스틱 화분, 밀폐용기
  `),
  비닐류: list(`
    과자 봉지, 라면 봉지, 빵 봉지, 즉석밥 뚜껑 필름, 리필 파우치, 커피믹스 봉지, 페트병 라벨, 비닐봉투, 위생백,
    지퍼백, 세탁소 비닐, 에어캡, 택배 비닐봉투, 비닐 완충재
  `),
  발포합성수지: list(`
    스티로폼 상자, 스티로폼 아이스박스, 가전 완충 스티로폼, 스티로폼 포장재, 스티로폼 알갱이 완충재,
    흰색 컵라면 용기(스티로폼), 흰색 스티로폼 접시
  `),
  유리병: list(`
    소주병, 맥주병, 청량음료 유리병, 음료수 유리병, 와인병, 드링크 유리병, 잼 유리병, 소스 유리병,
    유리 이유식병, 유리 화장품병, 유리 향수병, 유리 약병
  `),
  금속류: list(`
    알루미늄 음료캔, 철 음료캔, 통조림 캔, 참치캔, 분유통, 부탄가스통, 스프레이캔, 살충제 캔, 냄비, 프라이팬,
    철사, 못, 공구, 철 옷걸이, 수저, 알루미늄 호일 용기, 금속 병뚜껑
  `),
  의류및원단: list(`
    티셔츠, 셔츠, 바지, 치마, 외투, 스웨터, 양복, 청바지, 원피스, 운동화, 구두, 가방, 모자, 벨트, 담요, 커튼,
    얇은 이불, 면 원단, 스카프
  `),
  전지: list(`
    알카라인 건전지, 망간 건전지, 단추형 전지, 리튬 일차전지, 니켈수소 충전지, 니켈카드뮴 전지,
    리튬이온 배터리, 휴대전화 배터리, 노트북 배터리, 보조배터리, 카메라 배터리, 전동공구 배터리
  `),
  조명제품: list(`
    직관형 형광등, 원형 형광등, 콤팩트 형광등, 삼파장 전구, 안정기 내장형 램프, LED 전구, LED 직관 램프,
    LED 등기구 램프, LED 스탠드 전구
  `),
  전기전자제품: list(`
    냉장고, 세탁기, 에어컨, 텔레비전, 건조기, 식기세척기, 공기청정기, 전자레인지, 청소기, 선풍기, 전기밥솥,
    전기주전자, 다리미, 헤어드라이어, 가습기, 믹서기, 휴대전화, 노트북, 컴퓨터 본체, 모니터, 프린터, 키보드,
    태블릿, 충전기, 이어폰
  `),
  일반종량제폐기물: list(`
    휴지, 물티슈, 기저귀, 생리대, 마스크, 칫솔, 면봉, 속옷, 양말, 영수증, 기름 밴 종이, 코팅 종이, 알약 포장재,
    음식물 묻은 비닐, 식품 포장용 랩, 볼펜, 고무장갑, 수세미, 일회용 수저, 빨대, 테이프, 담배꽁초, 나무젓가락,
    걸레, 젤 아이스팩, 닭 뼈, 달걀 껍데기, 과일 씨, 견과류 껍데기, 티백
  `),
  불연성종량제폐기물: list(`
    깨진 유리, 거울, 판유리 조각, 내열유리 그릇, 유리컵, 크리스털 잔, 유리 냄비 뚜껑, 도자기 그릇, 사기그릇,
    뚝배기, 도자기 화분, 항아리, 화분 흙, 어항 자갈, 벽돌 조각, 타일 조각, 백열전구, 할로겐전구, 연탄재, 숯
  `),
  음식물류폐기물: list(`
    남은 밥, 국 건더기, 반찬, 김치, 면류, 빵, 떡, 채소 다듬은 것, 배춧잎, 과일 껍질, 귤껍질, 바나나 껍질,
    수박 껍질, 사과 껍질, 고기 살코기, 생선 살, 소시지, 두부, 소비기한 지난 식품
  `),
  대형폐기물: list(`
    침대, 매트리스, 소파, 책상, 의자, 옷장, 책장, 식탁, 서랍장, 화장대, 솜이불, 카펫, 여행용 가방, 유모차,
    카시트, 자전거, 대형 거울, 빨래 건조대, 돗자리, 피아노, 운동기구, 어항, 문짝, 대형 화분
  `),
  공사장생활폐기물: list(`
    콘크리트 조각, 폐벽돌, 폐타일, 시멘트 조각, 석고보드, 기와, 폐목재, 폐벽지, 폐장판, 합판, 몰딩, 단열재,
    변기, 세면대, 욕조, 창틀, 방충망
  `),
  생활계유해폐기물: list(`
    알약, 물약, 가루약, 연고, 안약, 시럽약, 남은 농약, 남은 살충제, 쥐약, 수은 체온계, 수은 온도계,
    수은 혈압계, 남은 페인트, 시너, 접착제, 폐유, 라돈 검출 제품
  `)
}

/** Visible states of an item, by kind. A tag is in one kind only. */
export const situationTags: Readonly<Record<string, ReadonlyArray<string>>> = {
  내용물: list(`
    내용물 남음, 내용물 비움, 음식물 남음, 음료 남음, 기름 남음, 세제 남음, 가루 남음, 가스 남음, 약품 남음
  `),
  오염: list(`
    깨끗함, 이물질 묻음, 음식물 묻음, 기름 묻음, 양념 자국, 흙 묻음, 페인트 묻음, 물에 젖음, 곰팡이, 악취,
    담배꽁초 들어 있음, 물기 있음
  `),
  부착물: list(`
    라벨 붙어 있음, 라벨 제거됨, 테이프 붙어 있음, 운송장 붙어 있음, 스티커 붙어 있음, 철핀 있음, 스프링 있음,
    끈 달림, 비닐 창 있음
  `),
  마개: list(`
    뚜껑 닫힘, 뚜껑 열림, 뚜껑 없음, 뚜껑 재질 다름, 펌프 달림, 빨대 꽂힘
  `),
  재질: list(`
    무색투명, 유색, 복합재질, 비닐 코팅, 은박 코팅, 금속 부품 있음, 고무 부품 있음, 재질 불명
  `),
  모양: list(`
    펼쳐짐, 납작하게 접힘, 찌그러뜨림, 끈으로 묶임, 봉투에 담김, 겹쳐 쌓임
  `),
  파손: list(`
    깨짐, 찢어짐, 부서짐, 구겨짐, 녹슮, 날카로움, 부품 빠짐
  `),
  위험: list(`
    유해물질 들어 있음, 수은 들어 있음, 불붙기 쉬움, 폭발 위험, 압력 용기, 배터리 들어 있음, 배터리 부풀음,
    액체 샘, 전선 달림
  `),
  "크기와 수량": list(`
    대형, 종량제봉투에 안 들어감, 혼자 들기 어려움, 한 개, 여러 개, 여러 품목 섞임, 한 짝만 있음
  `),
  쓰임: list(`
    다시 쓸 수 있음, 새 제품, 고장 남, 보증금 대상, 기한 지남, 개인정보 있음
  `),
  사진: list(`
    사진 흐림, 일부만 보임, 어두움, 폐기물 없음
  `)
}

/** The form in which a text is kept: NFC, trimmed, each run of white space (zero-width space included) one space. */
export const tidy = (text: string): string =>
  text
    .normalize("NFC")
    .replace(/[\s\u200B]+/gu, " ")
    .trim()

/** The form in which two names are compared: tidied, without any space. */
export const comparable = (text: string): string => tidy(text).replaceAll(" ", "")

const byComparable = <Name extends string>(names: ReadonlyArray<Name>): ReadonlyMap<string, Name> =>
  new Map(names.map((name) => [comparable(name), name]))

const majors = byComparable(majorCategories)
const middles = byComparable(middleCategories)
const minors = byComparable(Object.values(minorItems).flat())
const tags = byComparable(Object.values(situationTags).flat())

const MINOR_MAX_CHARACTERS = 60

const toMinor = (raw: string | null): string | null => {
  const text = tidy(raw ?? "")
  if (text === "") return null
  // by code point, so that no surrogate pair is cut
  return minors.get(comparable(text)) ?? Array.from(text).slice(0, MINOR_MAX_CHARACTERS).join("").trimEnd()
}

/**
 * A model's classification in the taxonomy's spelling; never fails.
 * - names are compared in NFC and without spaces
 * - unknown major: 미분류, middle "", minor null
 * - unknown middle, or any middle outside RECYCLABLE: ""
 * - unknown minor: kept as written, tidied, at most 60 characters; empty: null
 */
export const toTaxonomy = (raw: Classification): Classification => {
  const major = majors.get(comparable(raw.major_category)) ?? UNCLASSIFIED
  if (major === UNCLASSIFIED) return { major_category: major, middle_category: "", minor_category: null }
  return {
    major_category: major,
    middle_category: major === RECYCLABLE ? (middles.get(comparable(raw.middle_category)) ?? "") : "",
    minor_category: toMinor(raw.minor_category)
  }
}

/** The known tags among `raw`, in the taxonomy's spelling and the order given, each once. */
export const toSituationTags = (raw: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...new Set(raw.flatMap((tag) => tags.get(comparable(tag)) ?? []))
]
