/**
 * LocalEnvironment: the defaults of `npm start` for settings without which a role would refuse to start: a provider without a key
 * offers no models, and without any key the simulated model answers; operators use a secret made for this start; without any
 * news source the bundled sample is used. Settings that are set are never changed.
 */
import { ConfigProvider } from "effect"

export const isSet = (value: string | undefined): boolean => value !== undefined && value.trim() !== ""

/** Settings that `npm start` makes for itself, but the secret. */
export const defaults = (env: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> => {
  const defaults: Record<string, string> = {}
  if (!isSet(env.OPENAI_API_KEY) && env.OPENAI_MODELS === undefined) defaults.OPENAI_MODELS = ""
  if (!isSet(env.GEMINI_API_KEY) && env.GEMINI_MODELS === undefined) defaults.GEMINI_MODELS = ""
  const hasModel = [env.OPENAI_API_KEY, env.GEMINI_API_KEY, env.OPENAI_MODELS, env.GEMINI_MODELS].some(isSet)
  if (!hasModel && env.SIMULATED_MODEL === undefined) defaults.SIMULATED_MODEL = "true"
  const hasNews = [env.NAVER_CLIENT_ID, env.NEWSDATA_API_KEY, env.NEWS_FEEDS].some(isSet)
  if (!hasNews && env.NEWS_SAMPLE === undefined) defaults.NEWS_SAMPLE = "true"
  return defaults
}

/** `secret`: for operators, if INTERNAL_SECRET is not set. */
export const provider = (
  env: Readonly<Record<string, string | undefined>>,
  secret: string
): ConfigProvider.ConfigProvider => {
  const given = Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  )
  // an empty value counts as not set
  const own = isSet(env.INTERNAL_SECRET) ? {} : { INTERNAL_SECRET: secret }
  return ConfigProvider.fromEnv({ env: { ...given, ...defaults(env), ...own } })
}
