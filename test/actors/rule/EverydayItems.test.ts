/**
 * Everyday items: what a model may say of each, in Korean and in English, the rule that it gets, and a step that a person must
 * not miss. The words are those that models use, not the taxonomy's.
 */
import { describe, expect, it, layer as withLayer } from "@effect/vitest"
import { Effect } from "effect"
import { toSituationTags, toTaxonomy } from "../../../packages/actors/src/domain/Waste.ts"
import { DisposalRules, layer } from "../../../packages/actors/src/rule/DisposalRules.ts"

interface Item {
  /** `major / middle / minor`, as a model answers. */
  readonly ko: string
  readonly en: string
  readonly tags: ReadonlyArray<string>
  readonly key: string
  /** Part of a common step, in each language. */
  readonly koStep: string
  readonly enStep: string
}

const R = "재활용폐기물"
const G = "일반종량제폐기물"
const N = "불연성종량제폐기물"
const H = "생활계유해폐기물"

/** One item a line: `ko | en | tags | key | ko step | en step`. */
const items: ReadonlyArray<Item> = `
재활용폐기물 / 무색페트병 / 생수병 | Recyclables / Clear PET bottles / water bottle | | ${R}_무색페트병 | 라벨을 떼어냅니다 | label off
재활용품 / 투명페트병 / 콜라 페트병 | Recyclable / PET bottle / soda bottle | 라벨 붙어 있음 | ${R}_무색페트병 | 뚜껑을 닫습니다 | cap back on
재활용 / 페트병 / 음료수병 | recycling / clear PET / PET bottle | | ${R}_무색페트병 | 전용 수거함 | box or bag for clear PET
재활용폐기물 / 플라스틱 / 맥주 페트병 | Recyclables / Plastic / beer PET bottle | 유색 | ${R}_플라스틱류 | 플라스틱류 수거함 | plastics bin
재활용폐기물 / 플라스틱류 / 샴푸통 | Recyclables / Plastics / shampoo bottle | 펌프 달림 | ${R}_플라스틱류 | 다른 재질을 떼어냅니다 | Take off labels, pumps
재활용폐기물 / 플라스틱 용기 / 배달용기 | Recyclables / plastic container / takeout container | 양념 자국 | ${R}_플라스틱류 | 이물질을 없앱니다 | wipe off all dirt
재활용폐기물 / 합성수지 / 요구르트병 | Recyclables / plastics / yogurt bottle | | ${R}_플라스틱류 | 물로 헹구거나 | rinse
재활용폐기물 / 플라스틱류 / 테이크아웃 플라스틱컵 | Recyclables / Plastics / iced coffee cup | | ${R}_플라스틱류 | 내용물을 비우고 | Empty it
재활용폐기물 / 종이 / 택배박스 | Recyclables / Paper / delivery box | 테이프 붙어 있음 | ${R}_종이 | 테이프 | Take off tape
재활용폐기물 / 종이류 / 신문 | Recyclables / paper products / newspapers | | ${R}_종이 | 끈으로 묶습니다 | tie them
재활용폐기물 / 박스 / 골판지 상자 | Recyclables / cardboard / cardboard box | | ${R}_종이 | 납작하게 접고 | Flatten boxes
재활용폐기물 / 종이 / 책 | Recyclables / Paper / books | | ${R}_종이 | 마른 상태로 | Keep it dry
재활용폐기물 / 종이팩 / 우유곽 | Recyclables / carton / milk carton | | ${R}_종이팩 | 종이팩 전용 수거함 | box for paper cartons
재활용폐기물 / 멸균팩 / 두유팩 | Recyclables / beverage carton / soy milk carton | | ${R}_종이팩 | 일반 종이와 섞지 않고 | not among other paper
재활용폐기물 / 종이팩 / 종이컵 | Recyclables / Paper cartons / paper cup | 깨끗함 | ${R}_종이컵 | 종이컵이나 종이팩 수거함 | box for paper cups or cartons
재활용폐기물 / 종이 / 테이크아웃 종이컵 | Recyclables / Paper / disposable coffee cup | 내용물 비움 | ${R}_종이컵 | 일반 종이와 구분해 | apart from other paper
일반쓰레기 / / 종이컵 | general trash / / paper cups | 깨끗함 | ${R}_종이컵 | 물로 헹굽니다 | rinse it
재활용폐기물 / 비닐 / 과자봉투 | Recyclables / plastic bags / chips bag | | ${R}_비닐류 | 부스러기 | crumbs
재활용폐기물 / 비닐류 / 비닐봉지 | Recyclables / film / grocery bag | | ${R}_비닐류 | 투명한 비닐봉투 | clear plastic bag
재활용폐기물 / 비닐류 / 뽁뽁이 | Recyclables / Plastic film / bubble wrap | | ${R}_비닐류 | 테이프와 스티커 | Take off tape
재활용폐기물 / 스티로폼 / 스티로폼 박스 | Recyclables / Styrofoam / styrofoam box | 테이프 붙어 있음 | ${R}_발포합성수지 | 운송장 | shipping labels
재활용폐기물 / 발포합성수지 / 컵라면 용기 | Recyclables / foam / cup noodle container | 양념 자국 | ${R}_발포합성수지 | 물로 헹구어 | rinse all dirt off
재활용폐기물 / 유리병 / 소주병 | Recyclables / Glass bottle / soju bottle | | ${R}_유리병 | 유리병 수거함 | glass bin
재활용폐기물 / 유리 / 잼 유리병 | Recyclables / glass jar / jam jar | | ${R}_유리병 | 뚜껑을 떼어 | cap off
재활용폐기물 / 유리병 / 맥주병 | Recyclables / Glass / beer bottle | 깨짐 | ${N} | 신문지로 여러 겹 | several layers of newspaper
재활용폐기물 / 캔 / 콜라캔 | Recyclables / cans / soda can | | ${R}_금속류 | 금속류 수거함 | metal bin
재활용폐기물 / 금속 / 참치캔 | Recyclables / metal / tuna can | | ${R}_금속류 | 물로 헹굽니다 | rinse
재활용폐기물 / 고철 / 후라이팬 | Recyclables / scrap metal / frying pan | | ${R}_금속류 | 다른 재질을 떼어냅니다 | handles of wood
재활용폐기물 / 금속류 / 부탄가스 | Recyclables / Metals / butane gas canister | 가스 남음 | ${R}_압력 용기 | 가스를 모두 뺍니다 | until all gas is out
재활용폐기물 / 캔류 / 스프레이 | Recyclables / can / aerosol can | | ${R}_압력 용기 | 찌그러뜨리지 않습니다 | Do not crush
재활용폐기물 / 의류 / 헌옷 | Recyclables / clothes / old clothes | | ${R}_의류및원단 | 의류수거함 | clothing bin
재활용폐기물 / 의류및원단 / 신발 | Recyclables / Textiles / sneakers | | ${R}_의류및원단 | 빨아 말립니다 | wash and dry
재활용폐기물 / 건전지 / AA 건전지 | Recyclables / battery / AA battery | | ${R}_전지 | 폐전지 수거함 | battery collection box
재활용폐기물 / 배터리 / 보조배터리 | Recyclables / rechargeable battery / power bank | | ${R}_전지 | 절연 테이프 | insulating tape
재활용폐기물 / 전지 / 보조배터리 | Recyclables / Batteries / portable charger | 배터리 부풀음 | ${R}_손상된 전지 | 타지 않는 용기 | cannot burn
재활용폐기물 / 형광등 / 형광등 | Recyclables / fluorescent lamp / fluorescent tube | | ${R}_조명제품 | 조명 전용 수거함 | box for lamps
재활용폐기물 / 조명 / LED 전구 | Recyclables / light bulb / LED bulb | | ${R}_조명제품 | 깨지지 않게 | does not break
재활용폐기물 / 조명제품 / 형광등 | Recyclables / Lamps / fluorescent light | 깨짐 | ${N}_깨진 조명제품 | 조명 수거함에 넣지 않습니다 | Never the lamp box
불연성폐기물 / / 깨진 형광등 | non-combustible / / broken fluorescent bulb | | ${N}_깨진 조명제품 | 환기하고 | Open the window
재활용폐기물 / 전구 / 깨진 LED 전구 | Recyclables / bulb / broken light bulb | | ${N}_깨진 조명제품 | 진공청소기를 쓰지 말고 | not with a vacuum cleaner
재활용폐기물 / 가전제품 / 전자레인지 | Recyclables / appliances / microwave oven | | ${R}_전기전자제품 | 1599-0903 | 1599-0903
재활용폐기물 / 전자제품 / 스마트폰 | Recyclables / electronics / smartphone | 배터리 들어 있음 | ${R}_전기전자제품 | 온전한 상태로 | Leave it whole
일반종량제폐기물 / / 휴지 | General waste / / tissues | | ${G} | 종량제봉투에 담아 | standard waste bag
일반쓰레기 / / 기저귀 | household waste / / diaper | | ${G} | 종량제봉투 | waste bag
종량제 / / 칫솔 | trash / / toothbrush | | ${G} | 재활용할 수 있는 것 | Take out what can be recycled
일반폐기물 / / 영수증 | general garbage / / receipt | | ${G} | 종량제봉투 | waste bag
일반종량제폐기물 / / 라이터 | General waste / / lighter | | ${G} | 종량제봉투 | waste bag
일반종량제폐기물 / / 닭 뼈 | General waste / / bones | | ${G} | 물기를 빼고 | Drain liquids
불연성종량제폐기물 / / 머그컵 | Non-combustible waste / / mug | | ${N} | 불연성 전용 마대 | sack for non-combustible
불연성 / / 거울 | incombustible waste / / mirror | 깨짐 | ${N} | 신문지로 | newspaper
타지 않는 쓰레기 / / 깨진 유리컵 | noncombustible / / glass shards | 날카로움 | ${N} | 감쌉니다 | Wrap broken
불연성쓰레기 / / 화분 흙 | Noncombustible waste / / potting soil | | ${N} | 단단히 묶습니다 | tie it firmly
음식물쓰레기 / / 남은 음식 | Food waste / / leftovers | | 음식물류폐기물 | 물기를 최대한 | as much water
음식물류폐기물 / / 바나나 껍질 | food scraps / / banana peel | | 음식물류폐기물 | 이물질을 골라냅니다 | Take out film
음식물 / / 김치 | kitchen waste / / kimchi | | 음식물류폐기물 | 전용 용기 | food waste bag
음식물류폐기물 / / 식용유 | Food waste / / used cooking oil | | ${H}_폐식용유 | 폐식용유 수거함 | box for used cooking oil
재활용폐기물 / 플라스틱 / 튀김기름 | Recyclables / Plastics / frying oil | 기름 남음 | ${H}_폐식용유 | 하수구나 변기에 붓지 않습니다 | Never into a drain
대형쓰레기 / / 소파 | bulky / / couch | 대형 | 대형폐기물 | 신고하고 수수료 | pay the fee
대형폐기물 / / 매트리스 | large waste / / mattress | | 대형폐기물 | 신고필증 | receipt
대형 / / 자전거 | Bulky waste / / bike | | 대형폐기물 | 지정 장소 | given place
공사장폐기물 / / 벽지 | construction waste / / wallpaper | | 공사장생활폐기물 | 전용 마대 | sacks for household construction
건설폐기물 / / 변기 | renovation waste / / toilet bowl | | 공사장생활폐기물 | 시공 업체 | company does the work
유해폐기물 / / 감기약 | hazardous waste / / expired medicine | 기한 지남 | ${H}_폐의약품 | 약국, 보건소 | pharmacy, health centre
일반종량제폐기물 / / 알약 | General waste / / pills | | ${H}_폐의약품 | 폐의약품 수거함 | medicine box
재활용폐기물 / 유리병 / 감기약 시럽 | Recyclables / Glass / cough syrup | 약품 남음 | ${H}_폐의약품 | 마개를 꼭 잠급니다 | Close liquids
생활계유해폐기물 / / 페인트 | household hazardous / / paint can | 페인트 묻음 | ${H}_페인트·용제 | 소량 폐기물 처리 서비스 | small-quantity service
재활용폐기물 / 금속류 / 페인트통 | Recyclables / Metals / half-full paint can | 유해물질 들어 있음 | ${H}_페인트·용제 | 불씨와 열에서 멀리 | away from flames
생활유해폐기물 / / 신나 | toxic waste / / paint thinner | 불붙기 쉬움 | ${H}_페인트·용제 | 다른 것과 섞지 않고 | Mix it with nothing
생활계유해폐기물 / / 엔진오일 | Household hazardous waste / / motor oil | | ${H}_페인트·용제 | 밀봉합니다 | seal it
생활계유해폐기물 / / 농약 | hazardous / / pesticides | | ${H}_폐농약 | 지자체가 정한 수거 장소 | collection point
생활계유해폐기물 / / 제초제 | hazardous / / weed killer | | ${H}_폐농약 | 다른 병에 옮겨 담거나 | another bottle
생활계유해폐기물 / / 살충제 | hazardous / / bug killer | | ${H}_폐농약 | 하수구나 밭에 버리지 않습니다 | Never pour it into a drain
생활계유해폐기물 / / 수은 온도계 | hazardous / / mercury thermometer | | ${H}_수은 함유 제품 | 밀봉합니다 | seal it
생활계유해폐기물 / / 라돈 침대 | hazardous / / radon product | | ${H} | 행정복지센터 | community service centre
생활계유해폐기물 / / 이름 모를 약품 | hazardous / / unknown chemical | | ${H} | 하수구나 변기에 버리지 않습니다 | never pour it
재활용폐기물 / 고무류 / 알 수 없는 물건 | Recyclables / rubber / something | | ${R} | 재질을 확인해 | the material
`
  .trim()
  .split("\n")
  .map((line) => {
    const [ko = "", en = "", tags = "", key = "", koStep = "", enStep = ""] = line.split("|").map((part) => part.trim())
    return { ko, en, tags: tags === "" ? [] : [tags], key, koStep, enStep }
  })

const raw = (words: string) => {
  const [major_category = "", middle_category = "", minor_category = ""] = words.split("/").map((word) => word.trim())
  return { major_category, middle_category, minor_category }
}

it("the table of everyday items has at least sixty, and every kind of rule", () => {
  expect(items.length).toBeGreaterThanOrEqual(60)
  expect(new Set(items.map(({ key }) => key)).size).toBe(28)
})

withLayer(layer)("everyday items", (it) => {
  it.effect.each(items.map((item) => [item.ko, item.en, item] as const))(
    'the item "%s", or "%s", gets its rule and the step that matters in both languages',
    ([, , item]) =>
      Effect.gen(function* () {
        const rules = yield* DisposalRules
        expect(toSituationTags(item.tags)).toEqual(item.tags)
        for (const [language, words, step] of [
          ["ko", item.ko, item.koStep],
          ["en", item.en, item.enStep]
        ] as const) {
          const { classification, outside } = toTaxonomy(raw(words))
          expect(outside).toEqual(
            item.key === R ? [{ field: "middle_category", word: raw(words).middle_category }] : []
          )
          const rule = rules.find({ classification, situation_tags: item.tags }, language)
          expect([words, rule?.key]).toEqual([words, item.key])
          expect(rule?.common_steps.join(" ")).toContain(step)
        }
      })
  )

  it.effect("no common step sends anything but medicine to a pharmacy, nor a broken lamp to the lamp box", () =>
    Effect.gen(function* () {
      const rules = yield* DisposalRules
      for (const { key, ko, tags } of items) {
        const found = { classification: toTaxonomy(raw(ko)).classification, situation_tags: tags }
        for (const language of ["ko", "en"] as const) {
          const steps = rules.find(found, language)?.common_steps.join(" ") ?? ""
          expect([ko, /약국|pharmacy/.test(steps)]).toEqual([ko, key === `${H}_폐의약품`])
          const lampBox = /조명 (?:전용 )?수거함에 넣습니다|put the lamp in/.test(steps)
          expect([ko, lampBox]).toEqual([ko, key === `${R}_조명제품`])
        }
      }
    })
  )
})

describe("an item that no rule fits", () => {
  it("an item outside the taxonomy is told as such, in both languages", () => {
    for (const words of ["우주쓰레기 / / 위성", "space junk / / satellite"])
      expect(toTaxonomy(raw(words)).outside).toEqual([{ field: "major_category", word: raw(words).major_category }])
  })
})
