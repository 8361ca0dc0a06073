/**
 * LocalEnvironment: what `npm start` takes for granted where a role would refuse to start: a provider without a key offers
 * no models, and with no key at all the simulated model answers; operators come in by a secret made for this start; without
 * any source of news the bundled sample is one. What is set is never overruled.
 */
import { ConfigProvider } from "effect"

export const isSet = (value: string | undefined): boolean => value !== undefined && value.trim() !== ""

/** `secret`: for operators, where INTERNAL_SECRET is not set. */
export const provider = (
  env: Readonly<Record<string, string | undefined>>,
  secret: string
): ConfigProvider.ConfigProvider => {
  const defaults: Record<string, string> = {}
  if (!isSet(env.INTERNAL_SECRET)) defaults.INTERNAL_SECRET = secret
  if (!isSet(env.OPENAI_API_KEY) && env.OPENAI_MODELS === undefined) defaults.OPENAI_MODELS = ""
  if (!isSet(env.GEMINI_API_KEY) && env.GEMINI_MODELS === undefined) defaults.GEMINI_MODELS = ""
  const hasModel = [env.OPENAI_API_KEY, env.GEMINI_API_KEY, env.OPENAI_MODELS, env.GEMINI_MODELS].some(isSet)
  if (!hasModel && env.SIMULATED_MODEL === undefined) defaults.SIMULATED_MODEL = "true"
  const hasNews = [env.NAVER_CLIENT_ID, env.NEWSDATA_API_KEY, env.NEWS_FEEDS].some(isSet)
  if (!hasNews && env.NEWS_SAMPLE === undefined) defaults.NEWS_SAMPLE = "true"
  const given = Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  )
  // set to nothing is not set
  return ConfigProvider.fromEnv({ env: { ...given, ...defaults } })
}
