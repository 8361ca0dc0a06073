/**
 * Categories: the four kinds of waste a newcomer is shown before the first scan, as GET /api/v1/scan/categories answers.
 * Coarser than the taxonomy (Waste) on purpose: this is what people sort into at home.
 */
import { Schema } from "effect"
import type { InLanguages } from "./Language.ts"

/** `name` is the official name, `display_name` the everyday one; `instructions` are in order. */
export const ScanCategory = Schema.Struct({
  id: Schema.Literals(["recyclable", "general", "food", "bulky"]),
  name: Schema.NonEmptyString,
  display_name: Schema.NonEmptyString,
  instructions: Schema.Array(Schema.NonEmptyString)
})
export type ScanCategory = typeof ScanCategory.Type

const korean: ReadonlyArray<ScanCategory> = [
  {
    id: "recyclable",
    name: "재활용폐기물",
    display_name: "재활용품",
    instructions: [
      "내용물을 비우고 물로 헹굽니다.",
      "라벨, 테이프처럼 재질이 다른 부분을 떼어냅니다.",
      "종이, 플라스틱, 유리, 금속 등 재질별로 나누어 내놓습니다."
    ]
  },
  {
    id: "general",
    name: "일반폐기물",
    display_name: "일반 쓰레기",
    instructions: [
      "재활용품과 음식물을 먼저 골라냅니다.",
      "사는 지역의 종량제봉투에 담아 묶습니다.",
      "정해진 요일과 시간에 지정된 장소에 내놓습니다."
    ]
  },
  {
    id: "food",
    name: "음식물폐기물",
    display_name: "음식물 쓰레기",
    instructions: [
      "뼈, 껍데기, 비닐처럼 음식물이 아닌 것을 골라냅니다.",
      "물기를 최대한 뺍니다.",
      "전용 봉투나 전용 용기에 담아 내놓습니다."
    ]
  },
  {
    id: "bulky",
    name: "대형폐기물",
    display_name: "큰 물건",
    instructions: [
      "지자체에 품목을 신고하고 수수료를 냅니다.",
      "신고필증을 잘 보이는 곳에 붙입니다.",
      "정해진 날짜와 장소에 내놓고, 가전제품은 무상 방문수거를 예약합니다."
    ]
  }
]

const english: ReadonlyArray<ScanCategory> = [
  {
    id: "recyclable",
    name: "Recyclables",
    display_name: "Recycling",
    instructions: [
      "Empty it and rinse it with water.",
      "Take off labels, tape and other materials.",
      "Put it out by material: paper, plastics, glass, metals and so on."
    ]
  },
  {
    id: "general",
    name: "General waste",
    display_name: "Rubbish",
    instructions: [
      "Take out recyclables and food first.",
      "Put it into the standard waste bag of your district and tie it.",
      "Put it out on the given day, at the given time and place."
    ]
  },
  {
    id: "food",
    name: "Food waste",
    display_name: "Food scraps",
    instructions: [
      "Take out bones, shells, film and anything else that is no food.",
      "Drain as much water as possible.",
      "Put it out in the bag or bin for food waste."
    ]
  },
  {
    id: "bulky",
    name: "Bulky waste",
    display_name: "Large things",
    instructions: [
      "Report the item to the local government and pay the fee.",
      "Stick the receipt where it can be seen.",
      "Put it out on the given day and place; for appliances book the free pick-up."
    ]
  }
]

export const scanCategories: InLanguages<ReadonlyArray<ScanCategory>> = { ko: korean, en: english }
