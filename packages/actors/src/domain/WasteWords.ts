/**
 * WasteWords: the words of the taxonomy in both languages, and other words for them. Data only; Waste makes the taxonomy of it.
 * A list reads `Korean = English, …`; the Korean name is the key on the wire, the English one is for display and is understood
 * where a model answers with it. Other words for items read `word, word = key`.
 */

/** A key and its English name. */
export type Pairs = ReadonlyArray<readonly [key: string, english: string]>

const pairs = (text: string): Pairs =>
  text
    .trim()
    .split(/,\s+/)
    .map((pair) => {
      const [ko, en] = pair.split(" = ")
      if (ko === undefined || en === undefined) throw new Error(`"${pair}" is not "Korean = English"`)
      return [ko, en]
    })

const words = (text: string): ReadonlyArray<string> => text.trim().split(/,\s+/)

const others = (text: string): ReadonlyArray<readonly [word: string, key: string]> =>
  text
    .trim()
    .split("\n")
    .flatMap((line) => {
      const [words, key] = line.trim().split(" = ")
      if (words === undefined || key === undefined) throw new Error(`"${line}" is not "word, word = key"`)
      return words.split(/,\s+/).map((word) => [word, key] as const)
    })

/** English names of majors. */
export const majors = {
  재활용폐기물: "Recyclables",
  일반종량제폐기물: "General waste",
  불연성종량제폐기물: "Non-combustible waste",
  음식물류폐기물: "Food waste",
  대형폐기물: "Bulky waste",
  공사장생활폐기물: "Household construction waste",
  생활계유해폐기물: "Household hazardous waste",
  미분류: "Unclassified"
} as const

/** English names of middles. */
export const middles = {
  종이: "Paper",
  종이팩: "Paper cartons",
  무색페트병: "Clear PET bottles",
  플라스틱류: "Plastics",
  비닐류: "Plastic film",
  발포합성수지: "Expanded polystyrene",
  유리병: "Glass bottles",
  금속류: "Metals",
  의류및원단: "Clothing and textiles",
  전지: "Batteries",
  조명제품: "Lamps",
  전기전자제품: "Electrical and electronic equipment"
} as const

/** Items people throw away, by middle, or by major where it has no middles. An item is in one group only. */
export const minors = {
  종이: pairs(`
    골판지 상자 = corrugated box, 택배 상자 = parcel box, 신문지 = newspaper, 책 = book, 노트 = notebook,
    잡지 = magazine, 전단지 = flyer, 달력 = calendar, 종이 카탈로그 = paper catalogue, 복사용지 = office paper,
    종이 봉투 = paper bag, 종이 쇼핑백 = paper shopping bag, 과자 상자 = biscuit box,
    달걀판(종이) = paper egg tray, 휴지심 = toilet roll core, 종이 포장지 = wrapping paper,
    종이 완충재 = paper padding
  `),
  종이팩: pairs(`
    우유팩 = milk carton, 생크림팩 = cream carton, 냉장 주스팩 = chilled juice carton, 두유팩 = soy milk carton,
    멸균 우유팩 = UHT milk carton, 상온 주스팩 = shelf-stable juice carton, 소주팩 = soju carton,
    육수팩 = broth carton, 종이컵 = paper cup, 종이 음료컵 = takeaway paper cup,
    자판기 커피컵 = vending machine cup
  `),
  무색페트병: pairs(`
    생수병 = water bottle, 탄산수병 = sparkling water bottle, 투명 음료수 페트병 = clear drink bottle,
    투명 탄산음료 페트병 = clear soda bottle, 투명 이온음료 페트병 = clear sports drink bottle,
    투명 차음료 페트병 = clear tea bottle, 투명 주스 페트병 = clear juice bottle,
    투명 커피 페트병 = clear coffee bottle
  `),
  플라스틱류: pairs(`
    유색 페트병 = coloured PET bottle, 샴푸통 = shampoo bottle, 세제통 = detergent bottle,
    식용유병 = cooking oil bottle, 간장병 = soy sauce bottle, 요구르트병 = yogurt bottle,
    화장품 용기(플라스틱) = plastic cosmetics container, 플라스틱 컵 = plastic cup,
    배달 용기 = delivery food container, 플라스틱 도시락 용기 = plastic lunch box, 반찬통 = side dish box,
    과일 용기 = fruit punnet, 달걀판(플라스틱) = plastic egg tray, 두부 용기 = tofu container,
    플라스틱 대야 = plastic basin, 플라스틱 바구니 = plastic basket, 플라스틱 병뚜껑 = plastic bottle cap,
    플라스틱 화분 = plastic flowerpot, 밀폐용기 = airtight container
  `),
  비닐류: pairs(`
    과자 봉지 = snack bag, 라면 봉지 = instant noodle bag, 빵 봉지 = bread bag,
    즉석밥 뚜껑 필름 = lid film of instant rice, 리필 파우치 = refill pouch, 커피믹스 봉지 = coffee mix stick,
    페트병 라벨 = PET bottle label, 비닐봉투 = plastic bag, 위생백 = food bag, 지퍼백 = zip bag,
    세탁소 비닐 = dry cleaning film, 에어캡 = bubble wrap, 택배 비닐봉투 = plastic mailing bag,
    비닐 완충재 = air pillow
  `),
  발포합성수지: pairs(`
    스티로폼 상자 = styrofoam box, 스티로폼 아이스박스 = styrofoam ice box,
    가전 완충 스티로폼 = styrofoam padding of appliances, 스티로폼 포장재 = styrofoam packaging,
    스티로폼 알갱이 완충재 = styrofoam packing beads, 흰색 컵라면 용기(스티로폼) = white styrofoam noodle cup,
    흰색 스티로폼 접시 = white styrofoam tray
  `),
  유리병: pairs(`
    소주병 = soju bottle, 맥주병 = beer bottle, 청량음료 유리병 = glass soda bottle,
    음료수 유리병 = glass drink bottle, 와인병 = wine bottle, 드링크 유리병 = tonic drink bottle,
    잼 유리병 = jam jar, 소스 유리병 = sauce jar, 유리 이유식병 = baby food jar,
    유리 화장품병 = glass cosmetics bottle, 유리 향수병 = perfume bottle, 유리 약병 = empty glass medicine bottle
  `),
  금속류: pairs(`
    알루미늄 음료캔 = aluminium drink can, 철 음료캔 = steel drink can, 통조림 캔 = food can, 참치캔 = tuna can,
    분유통 = milk powder tin, 부탄가스통 = butane canister, 스프레이캔 = spray can,
    살충제 캔 = empty insecticide can, 냄비 = cooking pot, 프라이팬 = frying pan, 철사 = wire, 못 = nails,
    공구 = metal tool, 철 옷걸이 = wire hanger, 수저 = metal cutlery, 알루미늄 호일 용기 = aluminium foil tray,
    금속 병뚜껑 = metal bottle cap
  `),
  의류및원단: pairs(`
    티셔츠 = T-shirt, 셔츠 = shirt, 바지 = trousers, 치마 = skirt, 외투 = coat, 스웨터 = sweater, 양복 = suit,
    청바지 = jeans, 원피스 = dress, 운동화 = trainers, 구두 = dress shoes, 가방 = bag, 모자 = hat, 벨트 = belt,
    담요 = blanket, 커튼 = curtain, 얇은 이불 = thin quilt, 면 원단 = cotton fabric, 스카프 = scarf
  `),
  전지: pairs(`
    알카라인 건전지 = alkaline battery, 망간 건전지 = zinc-carbon battery, 단추형 전지 = button cell,
    리튬 일차전지 = lithium primary battery, 니켈수소 충전지 = NiMH battery, 니켈카드뮴 전지 = NiCd battery,
    리튬이온 배터리 = lithium-ion battery, 휴대전화 배터리 = phone battery, 노트북 배터리 = laptop battery,
    보조배터리 = power bank, 카메라 배터리 = camera battery, 전동공구 배터리 = power tool battery
  `),
  조명제품: pairs(`
    직관형 형광등 = fluorescent tube, 원형 형광등 = circular fluorescent lamp,
    콤팩트 형광등 = compact fluorescent lamp, 삼파장 전구 = tri-band fluorescent bulb,
    안정기 내장형 램프 = self-ballasted lamp, LED 전구 = LED bulb, LED 직관 램프 = LED tube,
    LED 등기구 램프 = LED module, LED 스탠드 전구 = LED desk lamp bulb
  `),
  전기전자제품: pairs(`
    냉장고 = refrigerator, 세탁기 = washing machine, 에어컨 = air conditioner, 텔레비전 = television,
    건조기 = tumble dryer, 식기세척기 = dishwasher, 공기청정기 = air purifier, 전자레인지 = microwave oven,
    청소기 = vacuum cleaner, 선풍기 = fan, 전기밥솥 = rice cooker, 전기주전자 = electric kettle, 다리미 = iron,
    헤어드라이어 = hair dryer, 가습기 = humidifier, 믹서기 = blender, 휴대전화 = mobile phone, 노트북 = laptop,
    컴퓨터 본체 = desktop computer, 모니터 = monitor, 프린터 = printer, 키보드 = keyboard, 태블릿 = tablet,
    충전기 = charger, 이어폰 = earphones
  `),
  일반종량제폐기물: pairs(`
    휴지 = used tissue, 물티슈 = wet wipe, 기저귀 = nappy, 생리대 = sanitary pad, 마스크 = face mask,
    칫솔 = toothbrush, 면봉 = cotton swab, 속옷 = underwear, 양말 = socks, 영수증 = receipt,
    기름 밴 종이 = greasy paper, 코팅 종이 = coated paper, 알약 포장재 = blister pack,
    음식물 묻은 비닐 = food-stained film, 식품 포장용 랩 = cling film, 볼펜 = ballpoint pen,
    고무장갑 = rubber gloves, 수세미 = scouring pad, 일회용 수저 = disposable cutlery, 빨대 = drinking straw,
    테이프 = adhesive tape, 담배꽁초 = cigarette butt, 일회용 라이터 = disposable lighter,
    나무젓가락 = wooden chopsticks, 걸레 = cleaning rag, 젤 아이스팩 = gel ice pack, 닭 뼈 = chicken bones,
    달걀 껍데기 = eggshell, 과일 씨 = fruit stone, 견과류 껍데기 = nutshell, 티백 = tea bag
  `),
  불연성종량제폐기물: pairs(`
    깨진 유리 = broken glass, 거울 = mirror, 판유리 조각 = pane of glass, 내열유리 그릇 = heat-resistant glass dish,
    유리컵 = drinking glass, 크리스털 잔 = crystal glass, 유리 냄비 뚜껑 = glass pot lid,
    도자기 그릇 = porcelain dish, 사기그릇 = earthenware bowl, 뚝배기 = clay pot, 도자기 화분 = clay flowerpot,
    항아리 = large clay jar, 화분 흙 = potting soil, 어항 자갈 = aquarium gravel, 벽돌 조각 = piece of brick,
    타일 조각 = piece of tile, 백열전구 = incandescent bulb, 할로겐전구 = halogen bulb,
    깨진 형광등 = broken fluorescent lamp, 깨진 전구 = broken bulb, 연탄재 = briquette ash, 숯 = charcoal
  `),
  음식물류폐기물: pairs(`
    남은 밥 = leftover rice, 국 건더기 = solids of soup, 반찬 = side dish, 김치 = kimchi, 면류 = noodles, 빵 = bread,
    떡 = rice cake, 채소 다듬은 것 = vegetable trimmings, 배춧잎 = cabbage leaves, 과일 껍질 = fruit peel,
    귤껍질 = tangerine peel, 바나나 껍질 = banana peel, 수박 껍질 = watermelon rind, 사과 껍질 = apple peel,
    고기 살코기 = meat, 생선 살 = fish, 소시지 = sausage, 두부 = tofu, 소비기한 지난 식품 = expired food
  `),
  대형폐기물: pairs(`
    침대 = bed, 매트리스 = mattress, 소파 = sofa, 책상 = desk, 의자 = chair, 옷장 = wardrobe, 책장 = bookcase,
    식탁 = dining table, 서랍장 = chest of drawers, 화장대 = dressing table, 솜이불 = padded quilt, 카펫 = carpet,
    여행용 가방 = suitcase, 유모차 = pushchair, 카시트 = child car seat, 자전거 = bicycle,
    대형 거울 = large mirror, 빨래 건조대 = drying rack, 돗자리 = picnic mat, 피아노 = piano,
    운동기구 = exercise machine, 어항 = aquarium, 문짝 = door, 대형 화분 = large flowerpot
  `),
  공사장생활폐기물: pairs(`
    콘크리트 조각 = concrete rubble, 폐벽돌 = bricks, 폐타일 = tiles, 시멘트 조각 = cement rubble,
    석고보드 = plasterboard, 기와 = roof tiles, 폐목재 = waste timber, 폐벽지 = wallpaper,
    폐장판 = vinyl flooring, 합판 = plywood, 몰딩 = moulding, 단열재 = insulation, 변기 = toilet bowl,
    세면대 = washbasin, 욕조 = bathtub, 창틀 = window frame, 방충망 = insect screen
  `),
  생활계유해폐기물: pairs(`
    의약품 = medicine, 알약 = pills, 캡슐약 = capsules, 물약 = liquid medicine, 가루약 = powdered medicine,
    연고 = ointment, 안약 = eye drops, 시럽약 = medicine syrup, 남은 농약 = leftover pesticide,
    남은 제초제 = leftover weedkiller, 남은 살충제 = leftover insecticide, 쥐약 = rat poison,
    수은 체온계 = mercury fever thermometer, 수은 온도계 = mercury thermometer,
    수은 혈압계 = mercury blood pressure meter, 남은 페인트 = leftover paint, 래커 = lacquer,
    시너 = paint thinner, 유기용제 = solvent, 접착제 = industrial glue, 폐유 = used motor oil,
    폐식용유 = used cooking oil, 라돈 검출 제품 = product that emits radon
  `)
} as const

/** Visible states of an item, by kind. A tag is in one kind only. */
export const tags = {
  내용물: pairs(`
    내용물 남음 = contents left, 내용물 비움 = emptied, 음식물 남음 = food left, 음료 남음 = drink left,
    기름 남음 = oil left, 세제 남음 = detergent left, 가루 남음 = powder left, 가스 남음 = gas left,
    약품 남음 = chemicals left
  `),
  오염: pairs(`
    깨끗함 = clean, 이물질 묻음 = dirty, 음식물 묻음 = food-stained, 기름 묻음 = greasy, 양념 자국 = sauce stains,
    흙 묻음 = soiled with earth, 페인트 묻음 = paint-stained, 물에 젖음 = wet, 곰팡이 = mouldy, 악취 = bad smell,
    담배꽁초 들어 있음 = cigarette butts inside, 물기 있음 = damp
  `),
  부착물: pairs(`
    라벨 붙어 있음 = label on, 라벨 제거됨 = label removed, 테이프 붙어 있음 = tape on,
    운송장 붙어 있음 = shipping label on, 스티커 붙어 있음 = sticker on, 철핀 있음 = staples,
    스프링 있음 = spiral binding, 끈 달림 = strings attached, 비닐 창 있음 = plastic window
  `),
  마개: pairs(`
    뚜껑 닫힘 = cap on, 뚜껑 열림 = cap open, 뚜껑 없음 = no cap, 뚜껑 재질 다름 = cap of another material,
    펌프 달림 = pump attached, 빨대 꽂힘 = straw inside
  `),
  재질: pairs(`
    무색투명 = colourless and clear, 유색 = coloured, 복합재질 = mixed materials, 비닐 코팅 = plastic coating,
    은박 코팅 = foil coating, 금속 부품 있음 = metal parts, 고무 부품 있음 = rubber parts,
    재질 불명 = material unknown
  `),
  모양: pairs(`
    펼쳐짐 = unfolded, 납작하게 접힘 = folded flat, 찌그러뜨림 = crushed, 끈으로 묶임 = tied with string,
    봉투에 담김 = in a bag, 겹쳐 쌓임 = stacked
  `),
  파손: pairs(`
    깨짐 = broken, 찢어짐 = torn, 부서짐 = smashed, 구겨짐 = crumpled, 녹슮 = rusty, 날카로움 = sharp,
    부품 빠짐 = parts missing
  `),
  위험: pairs(`
    유해물질 들어 있음 = hazardous substance inside, 수은 들어 있음 = mercury inside, 불붙기 쉬움 = flammable,
    폭발 위험 = risk of explosion, 압력 용기 = pressurised, 배터리 들어 있음 = battery inside,
    배터리 부풀음 = swollen battery, 액체 샘 = leaking, 전선 달림 = cable attached
  `),
  "크기와 수량": pairs(`
    대형 = large, 종량제봉투에 안 들어감 = too large for a bag, 혼자 들기 어려움 = too heavy for one person,
    한 개 = one piece, 여러 개 = several pieces, 여러 품목 섞임 = several items mixed, 한 짝만 있음 = one of a pair
  `),
  쓰임: pairs(`
    다시 쓸 수 있음 = reusable, 새 제품 = new, 고장 남 = out of order, 보증금 대상 = deposit bottle,
    기한 지남 = expired, 개인정보 있음 = personal data on it
  `),
  사진: pairs(`
    사진 흐림 = blurred photo, 일부만 보임 = only partly visible, 어두움 = dark, 폐기물 없음 = no waste
  `)
} as const

/** Other words for majors. */
export const majorAliases = {
  재활용폐기물: words(
    `재활용, 재활용품, 재활용 쓰레기, 재활용가능자원, 분리수거, 분리배출, recyclable, recycling, recyclable waste, recycle`
  ),
  일반종량제폐기물: words(
    `일반폐기물, 일반쓰레기, 일반 생활폐기물, 생활폐기물, 종량제, 종량제폐기물, 종량제봉투, general, general trash, general garbage, household waste, residual waste, trash, landfill`
  ),
  불연성종량제폐기물: words(
    `불연성, 불연성폐기물, 불연성쓰레기, 타지 않는 쓰레기, 특수규격봉투, non combustible, incombustible waste, noncombustibles`
  ),
  음식물류폐기물: words(`음식물, 음식물쓰레기, 음식물폐기물, 음식쓰레기, food, food scraps, kitchen waste`),
  대형폐기물: words(`대형, 대형쓰레기, 대형생활폐기물, bulky, large waste, bulk waste, oversized waste`),
  공사장생활폐기물: words(
    `공사장폐기물, 공사폐기물, 건설폐기물, 공사장 생활계폐기물, construction, construction waste, renovation waste`
  ),
  생활계유해폐기물: words(
    `유해폐기물, 유해쓰레기, 생활유해폐기물, 생활계 유해쓰레기, hazardous, hazardous waste, household hazardous, toxic waste`
  ),
  미분류: words(`알 수 없음, 분류불가, 분류 불가, 기타, unknown, none, not classified, uncategorized, no waste`)
} as const

/** Other words for middles. */
export const middleAliases = {
  종이: words(`종이류, 폐지, 파지, 골판지, 박스, 종이상자, paper products, cardboard, paper and cardboard`),
  종이팩: words(
    `종이팩류, 우유팩류, 멸균팩, 살균팩, carton, cartons, paper carton, beverage carton, milk cartons, paper pack, drink carton`
  ),
  무색페트병: words(
    `투명페트병, 투명 페트, 무색 페트, 무색투명페트병, 무색 투명 페트병, 페트병, 페트, pet, pet bottle, clear pet, transparent pet bottle, colorless pet bottle, colourless pet bottle, clear plastic bottle`
  ),
  플라스틱류: words(
    `플라스틱, 플라스틱 용기, 플라스틱용기류, 합성수지, 합성수지류, 유색페트병, 페트류, plastic, plastic container, plastic containers, hard plastic`
  ),
  비닐류: words(
    `비닐, 필름류, 비닐포장재, 비닐봉지, 봉지, vinyl, film, film plastic, plastic bags, plastic wrap, vinyls`
  ),
  발포합성수지: words(
    `스티로폼, 스티로폼류, 발포스티렌, 발포 폴리스티렌, styrofoam, foam, eps, polystyrene, polystyrene foam, expanded plastic, foam plastic`
  ),
  유리병: words(`유리, 유리류, 병류, 공병, 빈병, glass, glass bottle, bottle glass, glass jar, glass container`),
  금속류: words(
    `금속, 캔, 캔류, 고철, 고철류, 철, 알루미늄, 비철금속, 금속캔, metal, can, cans, scrap metal, aluminium, aluminum, steel`
  ),
  의류및원단: words(
    `의류, 옷, 원단, 의류 및 섬유, 섬유류, 의류 원단, 헌옷, 신발, clothes, clothing, textile, textiles, fabric, fabrics, garments, shoes`
  ),
  전지: words(`건전지, 배터리, 폐건전지, 폐전지, 전지류, 충전지, battery, cell, rechargeable battery`),
  조명제품: words(
    `조명, 형광등, 전구, 램프, 폐형광등, 조명기구, 전등, lamp, lighting, light bulb, bulb, fluorescent lamp, fluorescent light, lighting product`
  ),
  전기전자제품: words(
    `전자제품, 가전, 가전제품, 소형가전, 폐가전, 전기제품, 전자기기, electronics, electronic, e waste, appliance, appliances, electrical appliance, home appliances, electronic waste, weee, electronic device`
  )
} as const

/** Other words for items. */
export const minorAliases = others(`
  박스, 종이박스, 종이 상자, 골판지, 골판지박스, cardboard box, cardboard, carton box = 골판지 상자
  택배박스, delivery box, shipping box = 택배 상자
  신문, newspapers = 신문지
  A4용지, 프린트 용지, printer paper, copy paper, A4 paper = 복사용지
  종이컵(음료), disposable paper cup, paper coffee cup, coffee cup, 커피컵(종이) = 종이컵
  테이크아웃 종이컵, takeout cup, to-go cup, disposable coffee cup = 종이 음료컵
  우유곽, 우유갑, milk pack = 우유팩
  생수 페트병, 생수 페트, 물병, 먹는샘물병, bottled water, plastic water bottle, PET water bottle = 생수병
  투명 페트병, 투명 페트, 음료수병, 페트병, PET bottle, clear PET bottle, transparent PET bottle, clear plastic bottle = 투명 음료수 페트병
  콜라 페트병, 사이다 페트병, soda bottle, cola bottle = 투명 탄산음료 페트병
  맥주 페트병, 갈색 페트병, colored PET bottle, beer PET bottle = 유색 페트병
  샴푸 용기, 샴푸병 = 샴푸통
  배달용기, 배달음식 용기, takeout container, takeaway container, food delivery container = 배달 용기
  테이크아웃 플라스틱컵, 아이스커피컵, iced coffee cup, disposable plastic cup = 플라스틱 컵
  과자봉투, 과자 포장지, chips bag, crisp packet, snack wrapper, chip bag = 과자 봉지
  라면봉투, ramen wrapper, ramyeon bag = 라면 봉지
  비닐봉지, 비닐, 검은 봉지, shopping bag, grocery bag, carrier bag = 비닐봉투
  뽁뽁이, bubble film = 에어캡
  스티로폼, 스티로폼 박스, 아이스박스, styrofoam, polystyrene box, foam box = 스티로폼 상자
  컵라면 용기, 사발면 용기, cup noodle container, instant noodle cup = 흰색 컵라면 용기(스티로폼)
  유리병, 음료 유리병, glass bottle = 음료수 유리병
  캔, 음료캔, 콜라캔, 맥주캔, 알루미늄캔, can, soda can, beer can, aluminum can, drink can = 알루미늄 음료캔
  통조림, canned food can, tin can = 통조림 캔
  부탄가스, 부탄가스 캔, 휴대용 가스통, butane gas canister, butane can, gas canister, butane gas can = 부탄가스통
  스프레이, 헤어스프레이, 에어로졸 캔, aerosol can, aerosol, hair spray can = 스프레이캔
  살충제 스프레이, 모기약 스프레이, insecticide spray can, bug spray can = 살충제 캔
  후라이팬, 프라이 팬, skillet = 프라이팬
  옷, 헌옷, 의류, clothes, old clothes, clothing = 티셔츠
  신발, shoes, sneakers = 운동화
  건전지, 배터리, AA 건전지, AAA 건전지, battery, AA battery, dry cell = 알카라인 건전지
  수은전지, 코인전지, 동전형 전지, coin cell, coin battery, button battery = 단추형 전지
  파워뱅크, 휴대용 충전 배터리, portable charger, external battery = 보조배터리
  충전지, lithium battery, Li-ion battery = 리튬이온 배터리
  형광등, 폐형광등, fluorescent lamp, fluorescent light, fluorescent bulb, strip light = 직관형 형광등
  LED, LED램프, LED lamp, LED light = LED 전구
  핸드폰, 스마트폰, 휴대폰, smartphone, cell phone, phone = 휴대전화
  TV, 티비 = 텔레비전
  세탁기(가전), washer = 세탁기
  드라이기, 헤어드라이기 = 헤어드라이어
  전기포트 = 전기주전자
  랩톱, laptop computer, notebook computer = 노트북
  티슈, 화장지, 키친타월, tissue, tissues, toilet paper, paper towel, kitchen towel = 휴지
  diaper, 아기 기저귀, 일회용 기저귀 = 기저귀
  영수증 종이, receipts, thermal paper = 영수증
  랩, 비닐랩, plastic wrap, cling wrap = 식품 포장용 랩
  펜, pen, ballpoint = 볼펜
  담배, cigarette, cigarettes = 담배꽁초
  라이터, 가스라이터, lighter, cigarette lighter = 일회용 라이터
  아이스팩, ice pack = 젤 아이스팩
  뼈, 족발 뼈, 갈비뼈, bones, bone = 닭 뼈
  계란 껍질, 계란껍데기, 달걀껍질, egg shell = 달걀 껍데기
  녹차 티백, tea bags = 티백
  깨진 병, 유리 조각, 깨진 유리컵, broken bottle, glass shards, broken glass bottle = 깨진 유리
  그릇, 접시, 도자기, 머그컵, ceramic, ceramics, ceramic dish, plate, mug, pottery, porcelain = 도자기 그릇
  컵(유리), glass cup = 유리컵
  냄비 뚜껑(유리) = 유리 냄비 뚜껑
  전구, 백열등, light bulb, incandescent light bulb = 백열전구
  깨진 램프, 깨진 LED 전구, broken lamp, broken light bulb, broken LED bulb = 깨진 전구
  깨진 직관형 형광등, broken fluorescent tube, broken fluorescent light, broken fluorescent bulb = 깨진 형광등
  음식, 음식물, 잔반, 남은 음식, 밥, food, leftovers, leftover food, food scraps, rice = 남은 밥
  채소, 야채, 야채 껍질, vegetables, vegetable scraps = 채소 다듬은 것
  바나나, banana = 바나나 껍질
  이불, 겨울 이불, quilt, duvet, comforter = 솜이불
  캐리어, luggage = 여행용 가방
  유아차, stroller, baby stroller = 유모차
  couch = 소파
  bike = 자전거
  장롱, closet = 옷장
  폐콘크리트, 콘크리트, concrete = 콘크리트 조각
  벽지, wall paper = 폐벽지
  장판, flooring = 폐장판
  목재, 각목, timber, lumber, wood = 폐목재
  약, 폐의약품, 감기약, 진통제, 해열제, 소화제, 처방약, 조제약, 항생제, 유통기한 지난 약, drug, drugs, medicines, medication, medications, expired medicine, prescription drug, pharmaceuticals, painkiller, antibiotics = 의약품
  정제, 알약(PTP 포장), pill, tablet medicine, tablets of medicine = 알약
  캡슐, capsule = 캡슐약
  시럽, 감기약 시럽, 해열제 시럽, cough syrup, syrup medicine = 시럽약
  연고류, cream medicine, medicated cream = 연고
  점안액, 안약병, eyedrops = 안약
  농약, 폐농약, pesticide, pesticides, agrochemical = 남은 농약
  제초제, weed killer, herbicide = 남은 제초제
  살충제, 폐살충제, 모기약, insecticide, bug killer = 남은 살충제
  쥐덫 약, rodenticide, mouse poison = 쥐약
  유리 체온계, 수은체온계(유리), glass thermometer, mercury fever thermometers = 수은 체온계
  혈압계(수은) = 수은 혈압계
  페인트, 폐페인트, 페인트통, 페인트 통, paint, paint can, wall paint, old paint, half-full paint can = 남은 페인트
  락카, 폐락카, 바니시, 니스, lacquer paint, varnish = 래커
  신나, 희석제, 페인트 희석제, thinner, turpentine = 시너
  용제, 폐유기용제, 솔벤트, 아세톤, solvents, acetone = 유기용제
  본드, 강력접착제, adhesive, epoxy = 접착제
  엔진오일, 폐엔진오일, 윤활유, 자동차 오일, motor oil, engine oil, used engine oil, lubricant = 폐유
  식용유, 튀김기름, 튀김 기름, 폐튀김유, 폐기름, 쓰고 남은 기름, 사용한 식용유, cooking oil, waste cooking oil, frying oil, old cooking oil, vegetable oil = 폐식용유
  라돈 침대, 라돈 매트, radon product = 라돈 검출 제품
`)
