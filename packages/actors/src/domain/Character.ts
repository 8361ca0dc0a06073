/**
 * Character: the collectible that stands for one kind of recyclable, the thirteen that every installation starts with, and
 * the rule which of a catalogue a scan earns. The current catalogue, which operators may change, is CharacterStore's. It is in
 * Korean; what the thirteen say in English is here.
 */
import { Schema } from "effect"
import type { Language } from "./Language.ts"
import { comparable, displayName, tidy } from "./Waste.ts"

/**
 * One character of a catalogue.
 * - `id`: the store's own id, absent before it is stored; `code` is the same everywhere
 * - `match_label`: the middle category it stands for, null for one that stands for none
 * - `type`: one short Korean word for a badge; `dialog`: what it says when it is earned
 */
export const Character = Schema.Struct({
  id: Schema.optionalKey(Schema.String),
  code: Schema.NonEmptyString,
  name: Schema.NonEmptyString,
  match_label: Schema.NullOr(Schema.NonEmptyString),
  type: Schema.NonEmptyString,
  dialog: Schema.NonEmptyString
})
export type Character = typeof Character.Type

/** 이코, earned if no other character matches, and given to a user who has none. */
export const defaultCharacter: Character = {
  code: "char-eco",
  name: "이코",
  match_label: null,
  type: "환경",
  dialog: "안녕, 나는 이코! 오늘 네 작은 분리배출 덕분에 지구가 한 번 더 웃었어."
}

/** The catalogue that a new database is seeded with. */
export const characters: ReadonlyArray<Character> = [
  {
    code: "char-paepy",
    name: "페이피",
    match_label: "종이",
    type: "종이",
    dialog: "바스락! 테이프까지 떼어 줬구나. 나는 곧 새 공책으로 돌아올게!"
  },
  {
    code: "char-factory",
    name: "팩토리",
    match_label: "종이팩",
    type: "종이팩",
    dialog: "헹구고 펼치고 말리고, 완벽해! 보송보송한 화장지가 되어 다시 만나자."
  },
  {
    code: "char-petty",
    name: "페티",
    match_label: "무색페트병",
    type: "페트병",
    dialog: "라벨을 벗으니 속까지 시원해! 투명한 내가 폭신한 새 옷으로 변신할 차례야."
  },
  {
    code: "char-metally",
    name: "메탈리",
    match_label: "금속류",
    type: "금속",
    dialog: "깡! 찌그러져도 기죽지 않아. 녹이고 또 녹여도 나는 언제나 반짝이는 금속이니까!"
  },
  {
    code: "char-bini",
    name: "비니",
    match_label: "비닐류",
    type: "비닐",
    dialog: "하마터면 바람 타고 날아갈 뻔했어. 깨끗이 털어 모아 줘서 고마워!"
  },
  {
    code: "char-glassy",
    name: "글래시",
    match_label: "유리병",
    type: "유리",
    dialog: "쨍그랑 소리는 사양할게! 살살 다뤄 준 덕분에 한 번 더 병으로 살 수 있어."
  },
  {
    code: "char-cotton",
    name: "코튼",
    match_label: "의류및원단",
    type: "의류",
    dialog: "옷장 속에서 기다린 보람이 있네. 이제 다른 친구를 포근하게 안아 주러 갈게!"
  },
  {
    code: "char-plea",
    name: "플리",
    match_label: "플라스틱류",
    type: "플라스틱",
    dialog: "뽀득뽀득 씻겨 주다니 감동이야! 다음엔 무엇으로 태어날지 같이 상상해 볼래?"
  },
  {
    code: "char-elec",
    name: "일렉",
    match_label: "전기전자제품",
    type: "전자",
    dialog: "찌릿! 내 안에는 귀한 금속이 가득해. 통째로 맡겨 준 네가 진짜 도시 광부야."
  },
  {
    code: "char-battery",
    name: "배리",
    match_label: "전지",
    type: "전지",
    dialog: "힘을 다 썼지만 아직 끝이 아니야. 전용 수거함에 데려다준 너에게 마지막 에너지를 보낼게!"
  },
  {
    code: "char-lighty",
    name: "라이티",
    match_label: "조명제품",
    type: "조명",
    dialog: "깨지지 않게 감싸 줘서 안심이야. 불은 꺼졌어도 네 마음씨가 제일 환한걸!"
  },
  {
    code: "char-foamy",
    name: "폼이",
    match_label: "발포합성수지",
    type: "스티로폼",
    dialog: "나는 가볍지만 네 실천은 묵직해! 하얗고 깨끗하게 모아 줘서 고마워."
  },
  defaultCharacter
]

/** Type and dialog of the thirteen in English, by code. Names stay: they are how a character is asked for. */
const english: Readonly<Record<string, Pick<Character, "type" | "dialog">>> = {
  "char-paepy": { type: "Paper", dialog: "Rustle! You even took the tape off. I'll soon be back as a new notebook!" },
  "char-factory": { type: "Carton", dialog: "Rinsed, opened and dried, perfect! See you again as soft tissue." },
  "char-petty": {
    type: "PET bottle",
    dialog: "Without my label I feel so fresh! Clear as I am, I'll turn into a fluffy new jacket."
  },
  "char-metally": {
    type: "Metal",
    dialog: "Clang! A dent can't get me down. Melt me again and again, I always shine!"
  },
  "char-bini": {
    type: "Film",
    dialog: "I almost flew away with the wind. Thank you for shaking me clean and keeping me together!"
  },
  "char-glassy": {
    type: "Glass",
    dialog: "No clinking crash, please! Because you were gentle I get to be a bottle once more."
  },
  "char-cotton": {
    type: "Clothing",
    dialog: "Waiting in the wardrobe was worth it. Off I go to keep a new friend warm!"
  },
  "char-plea": {
    type: "Plastic",
    dialog: "Washed squeaky clean, I'm touched! Shall we imagine together what I'll become next?"
  },
  "char-elec": {
    type: "Electronics",
    dialog: "Zap! I'm full of precious metals. You handed me in whole, you're a true urban miner."
  },
  "char-battery": {
    type: "Battery",
    dialog: "I'm out of power, but not at the end. You took me to my box, so my last spark is for you!"
  },
  "char-lighty": {
    type: "Lamp",
    dialog: "Thank you for wrapping me up safely. My light is out, but your heart shines brightest!"
  },
  "char-foamy": {
    type: "Styrofoam",
    dialog: "I may be light, but what you do has weight! Thank you for keeping me white and clean."
  },
  "char-eco": {
    type: "Environment",
    dialog: "Hi, I'm Eco! Your little bit of sorting made the earth smile once more today."
  }
}
const builtIn: ReadonlyMap<string, Character> = new Map(characters.map((character) => [character.code, character]))

/** A character's texts in a language. What an operator has changed is only as it was written. */
export const textsIn = <C extends Pick<Character, "code" | "type" | "dialog">>(character: C, language: Language): C => {
  const [was, is] = [builtIn.get(character.code), english[character.code]]
  if (language === "ko" || was === undefined || is === undefined) return character
  return {
    ...character,
    type: character.type === was.type ? is.type : character.type,
    dialog: character.dialog === was.dialog ? is.dialog : character.dialog
  }
}

/** The character a scan earns, and why: `middle>minor`, or `middle` if no minor is known. */
export interface Match {
  readonly character: Character
  readonly reason: string
}

/**
 * The match for `middle` (and `minor`, if known) in a catalogue: the first character whose label is the middle, else the
 * catalogue's 이코 (by code), else the built-in one.
 */
export const matchCharacter = (catalogue: ReadonlyArray<Character>, middle: string, minor: string | null): Match => {
  const label = comparable(middle)
  const character =
    catalogue.find(({ match_label }) => match_label !== null && comparable(match_label) === label) ??
    catalogue.find(({ code }) => code === defaultCharacter.code) ??
    defaultCharacter
  return { character, reason: reasonIn("ko", middle, minor) }
}

/** Why a character is earned, `middle>minor`, or `middle` if no minor is known, in a language. */
export const reasonIn = (language: Language, middle: string, minor: string | null): string =>
  [middle, minor ?? ""]
    .map((name) => displayName(tidy(name), language))
    .filter((name, at) => at === 0 || name !== "")
    .join(">")
