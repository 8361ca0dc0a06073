/**
 * Titles: headlines in Korean and English, each with the category that a reader would give it; `none`: none of ours. The words of
 * Classification were chosen with the first 302 at hand, and without the others.
 */
import type { Category } from "../../../packages/news/src/domain/Article.ts"

export type Label = Category | "none"

type Labelled = Readonly<Record<Label, string>>

const known: Labelled = {
  environment: `
단독주택도 투명 페트병 따로 분리배출
아파트 재활용 수거일 바뀐다
한강 녹조 비상… 수질 오염 우려
일회용 컵 보증금제 전국으로
음식물 쓰레기로 퇴비 만드는 마을
미세먼지 비상저감조치 발령
멸종위기 산양 3마리 방사
갯벌 생태 복원에 주민들 나섰다
폐기물 처리장 증설 놓고 갈등
친환경 포장재로 바꾼 전통시장
해양 쓰레기 줍는 잠수부들
플라스틱 빨대 다시 금지
기후 위기 대응 조례 통과
온실가스 배출량 3% 줄었다
탄소중립 실천 포인트 신청 방법
하천오염 신고했더니 포상금
생물다양성 협약 총회 개막
업사이클 공방에 간 아이들
자원순환의 날 기념행사 열려
다회용기 배달 서비스 시작
토양오염 정화 비용 누가 내나
분리수거 헷갈리는 품목 열 가지
저탄소 농산물 인증 늘어
이상기후에 사과값 들썩
빙하 녹는 속도 빨라져… 기후 변화 경고
폐비닐 수거 거점 두 배로
환경부, 낙동강 보 개방 검토
이산화탄소 흡수하는 숲 가꾸기
매립지 침출수 하천 유입
숲 생태계 지키는 산림감시원
대기오염 측정소 열 곳 추가
폐플라스틱으로 만든 벤치 등장
쓰레기 무단 투기 단속 강화
지구 환경의 날 소등 행사
종이팩 따로 모으면 휴지로 교환
해안 쓰레기 80%가 플라스틱
제로웨이스트 가게 문 열다
Recycling rates rise as plastic waste falls
City bans single-use plastic bags
New rules for packaging waste take effect
Volunteers clean litter from beaches
River pollution kills thousands of fish
Climate summit ends without a deal
Carbon emissions reach a record high
Rare wildlife returns to restored wetland
Deforestation in the Amazon slows
Community compost scheme expands
Landfill closes after forty years
Coral ecosystem struggles to recover
Microplastics found in drinking water pollution study
The circular economy comes to fashion
Endangered birds nest again, biodiversity survey finds
Environmental groups sue over pipeline
Food waste app saves a million meals
Recycled glass paves village roads
Air pollution linked to asthma in children
Greenhouse gas emissions fall for third year
Plastics treaty talks stall
How to recycle a yoghurt pot
Sustainability report: what the town promised
Ministry of environment names new minister
Heat wave shows the cost of climate change
Bottle deposit scheme lifts recycling
Oil spill threatens coastal wildlife
Waste collectors end their strike
Ocean plastic traced to ten rivers
Carbon footprint labels on food
Environmental justice office opens
School garden turns leaves into compost
Climate anxiety among the young
Forest ecosystems need old trees
Sewage pollution closes beach
Textile waste piles up in desert
Zero-waste shop marks ten years
Biodiversity loss worries farmers
Litter pickers find wedding ring`,
  energy: `
해상풍력 단지 착공… 주민 이익 공유
태양광 지붕 설치비 지원
신한울 원전 3호기 건설 허가
수소 충전소 열 곳 추가
전력 수급 비상… 예비율 5%
전기요금 인상 여부 오늘 발표
재생에너지 비중 두 자릿수로
원자력 안전 점검 결과 공개
배터리 공장 화재 원인 조사
전기차 보조금 이달 마감
송전선로 지중화 사업 확정
지열 난방으로 온실 데운다
그린수소 생산 단지 조성
탈원전 논쟁 다시 불붙나
석탄화력 발전소 두 기 폐쇄
천연가스 수입 가격 급등
에너지 바우처 대상 확대
소형모듈원자로 수출 추진
연료전지 발전소 가동
수력 댐 수위 낮아져 발전 차질
한국전력 적자 3조 원 줄어
바이오가스 시설 주민설명회
에너지 효율 등급 개편
체코 원전 수주전 막바지
전력망 확충 특별법 통과
영농형 태양광 조례 제정
유럽, 러시아산 석탄 수입 중단
풍력 발전기 날개 어떻게 옮기나
노후원전 수명 연장 공청회
가정용 전기 요금 누진제 완화
전기차 충전 중 화재 예방법
산업용 전력 사용량 사상 최대
액화수소 운반선 첫 출항
에너지 자립 마을 열 번째
전고체 배터리 양산 앞당긴다
양수발전소 유치전 치열
도시가스 요금 동결
New solar farm to power 20,000 homes
Offshore wind auction draws record bids
Hydrogen trains enter service
Nuclear plant restarts after repairs
Battery storage doubles in a year
Electricity prices fall for second month
Geothermal heating warms greenhouse
Coal phase-out moved to 2030
Natural gas imports hit a low
EV sales overtake diesel
Electric vehicles get own parking
Renewable share passes half of the mix
Hydropower suffers from drought
Photovoltaic panels on every school
Power grid upgrade wins approval
Fossil fuel subsidies cut
Wind power output breaks record
Solar panels on balconies become legal
Small nuclear reactors win licence
Energy bills to rise this winter
Home batteries help villages through outage
Wind farm opponents lose in court
Fusion energy lab reports progress
Electricity demand peaks in heat
Renewables firm plans new plant
Hydrogen pipeline route agreed
Nuclear waste store site chosen
Solar roof loans for pensioners
Coal miners retrain for wind turbines and wind farm work
Electric vehicle chargers reach villages
Energy efficiency grants reopen
Green hydrogen plant breaks ground
Old batteries power street lights
Tidal energy turbine installed
Offshore wind turbines reach port
Natural gas price cap debated
EVs to feed power back to homes
Grid operator warns on electricity supply
Uranium price lifts nuclear shares`,
  ai: `
인공지능이 폐기물을 가려낸다
AI로 강을 지킨다
생성형 AI 교과서 도입 논의
챗봇이 민원 답변한다
머신러닝으로 산불 예측
딥러닝 영상 판독 정확도 95%
거대언어모델 국산화 경쟁
데이터센터 지방 분산 추진
알고리즘 투명성 법안 발의
AI 반도체 수출 두 배
인공지능 윤리 기준 마련
챗GPT로 숙제하는 아이들
AI 스피커, 독거노인 구조 신고
생성형 인공지능 저작권 소송
언어모델 학습 데이터 공개
AI 기본법 시행령 입법예고
로봇이 음식 나르는 식당… 인공지능 배차
병원 진단 보조 AI 허가
AI 면접 공정성 논란
인공지능 번역기 성능 비교
딥러닝으로 고문서 읽는다
AI 데이터센터 냉각수 문제
알고리즘이 정한 배달료
AI 카메라로 실종자 찾아
국산 AI 모델 첫 공개
인공지능 대학원 신입생 모집
챗봇 상담 뒤 사람 연결 의무화
머신러닝 경진대회 대상
AI 음성 사기 주의보
AI가 그린 그림 경매에
생성형 모델 규제 초안
인공지능 바둑 대회 열려
AI 교사 연수 시작
언어모델 평가 기준 논문
AI 드론으로 논 관리
로봇 수술 1만 건 돌파
AI 비서 스마트폰 탑재
Machine-learning model predicts floods
AI chatbot answers council calls
Generative tools come to classrooms
ChatGPT maker faces lawsuit
Large language model writes poems
Artificial intelligence reads scans
Deep learning finds new antibiotics
Data centers strain local water
AI rules agreed by parliament
Robots sort parcels at depot
Neural network hears whales
LLM benchmark under fire
AI start-up raises a billion
Artificial intelligence law explained
Generative AI and copyright
Machine learning course is free
AI voice scam warning
Chatbots and lonely people
Robot surgeon completes trial
AI in the newsroom
Deep learning pioneer wins prize
ChatGPT in exams
Data center boom in small towns
AI helps doctors spot cancer
Large language models explained
AI ethics board resigns
Robot dog patrols museum
A neural network paints portraits
AI weather forecasts improve
Machine learning for farmers
Generative model makes proteins
AI chips shortage eases
Artificial intelligence and jobs
AI tutor tested in schools
LLMs learn rare languages
AI detects fake reviews
Robots pick strawberries
AI assistant arrives on phones
Deepfake AI ads banned`,
  none: `
회원전용 라운지 문 연다
은퇴비용 얼마나 필요할까
범인 행방 수소문 끝에 검거
대표팀 전력 보강 시급
직장인 근무환경 개선 요구
교육환경 평가 이달 시작
명퇴비용 부담에 신중한 은행들
전력질주 끝에 역전 우승
고병원성 AI 확산에 방역 강화
조류인플루엔자 AI 확진 농장 이동 제한
오늘의 운세
투자 환경 악화에 증시 하락
주거환경 개선 정비 사업
전력강화위원회 새 감독 논의
석탄일 연등 행사
아이 기를 수 있는 환경이 중요
고전 원전 번역가의 하루
수소문해 찾은 옛 친구
야구 배터리 호흡 척척
지방선거 후보 등록 마감
주말 나들이 차량 늘어
프로야구 개막전 매진
회원전용몰 오픈 기념 할인
부동산 대책 다음 주 발표
드라마 시청률 20% 돌파
총력전 펼치는 두 팀
환율 하락에 수출 기업 울상
지열한 접전 끝에 무승부
전력 차이 뚜렷… 완패
경영환경 변화에 조직 개편
업무 환경 바꾸는 사무실 가구
원전투구 벌이는 정치권
맛집 탐방: 생태탕 잘하는 집
기후동행카드로 지하철 타 보니
영화 개봉 첫 주 백만 관객
도심 마라톤 교통 통제
미술관 야간 개장
통신 환경 점검하는 이동통신사
He said the chair was paid
Plastic surgery demand grows
The political climate before the vote
A toxic work environment at the bank
Nuclear family is changing
Assault and battery charge dropped
Talks were a waste of time
Solar eclipse draws crowds
A litter of puppies finds a home
Business environment survey published
Striker full of energy returns
Carbon copy of last year's final
Nuclear weapons talks resume
Avian flu: AI outbreak on farms
Economic climate worries retailers
Stock market ends week higher
Football club signs goalkeeper
Museum reopens after repair
Learning environment matters for pupils
Government wastes no time on bill
Actor wins lifetime award
Train strike called off
Solar system model for schools
Election results delayed
New bakery opens downtown
Mayor resigns over expenses
Local band releases album
Hospital waiting times grow
Court rejects appeal
Cruise ship visits harbour
Tennis final ends early
Library extends hours
Rents rise in big cities
Hiring climate improves for graduates
Recipe: lemon cake
Passport office backlog clears`
}

const unseenBefore: Labelled = {
  environment: `
서울시, 재활용품 전용봉투 도입
갯벌생태 교육 프로그램 운영
쓰레기산 치운 주민들
초미세먼지 나쁨 일수 줄어
폐가전 무상 수거 확대
하수처리장 방류수 수질 개선
기후테크 기업에 투자 몰려
바다 살리는 청년들
환경미화원 안전 대책
탄소배출권 거래 가격 반등
Beavers return to London rivers
Fast fashion's textile waste problem
Ozone layer on track to heal
Climate-friendly diets explained
Reusable cups trialled at station`,
  energy: `
LNG 가격 하락에 발전단가 내려
원전 해체 기술 국산화
풍력발전 이격거리 완화
수소차 보급 목표 하향
전력거래소 이사장 공모
에너지저장장치 화재 대책
태양열 온수기 지원
폐배터리 재사용 기준
한전 적자 축소
Heat pumps outsell gas boilers
Solar power surges in Spain
Nuclear power plant to close
EV charging network expands
Oil prices climb`,
  ai: `
오픈AI 새 모델 발표
AI반도체 특별법 논의
초거대AI 행정 서비스
자율주행 로봇택시 시험
Robotaxi service begins
Google unveils AI search
AI-powered hearing aids`,
  none: `
전력을 다해 뛰겠다
생태계 교란하는 플랫폼 기업
사내 환경 설정 방법
원전 300여 종 번역 출간
학교 급식 환경 조사
한전KPS 배구 경기
오염된 민심
스타트업 생태계 키운다
Energy drink ban for children
Batteries not included: toy review
The office environment is noisy
Wasted chances cost the team
Green card rules change
Coalition talks collapse
Evening classes resume`
}

interface Title {
  readonly label: Label
  readonly title: string
}
const list = (labelled: Labelled): ReadonlyArray<Title> =>
  (["environment", "energy", "ai", "none"] as const).flatMap((label) =>
    labelled[label]
      .trim()
      .split("\n")
      .map((title) => ({ label, title }))
  )
export const titles = list(known)
export const unseen = list(unseenBefore)
