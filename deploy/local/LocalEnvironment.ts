/**
 * LocalEnvironment: what `npm start` takes for granted where a role would refuse to start: a provider without a key offers
 * no models, and with no key at all the simulated model answers. What is set is never overruled.
 */
import { ConfigProvider } from "effect"

const isSet = (value: string | undefined): boolean => value !== undefined && value.trim() !== ""

export const provider = (env: Readonly<Record<string, string | undefined>>): ConfigProvider.ConfigProvider => {
  const defaults: Record<string, string> = {}
  if (!isSet(env.OPENAI_API_KEY) && env.OPENAI_MODELS === undefined) defaults.OPENAI_MODELS = ""
  if (!isSet(env.GEMINI_API_KEY) && env.GEMINI_MODELS === undefined) defaults.GEMINI_MODELS = ""
  const hasModel = [env.OPENAI_API_KEY, env.GEMINI_API_KEY, env.OPENAI_MODELS, env.GEMINI_MODELS].some(isSet)
  if (!hasModel && env.SIMULATED_MODEL === undefined) defaults.SIMULATED_MODEL = "true"
  const given = Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
  )
  return ConfigProvider.fromEnv({ env: { ...defaults, ...given } })
}
