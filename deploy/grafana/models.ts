/** Dashboard `models`: calls of the model providers: number, latency, cost, and what delays them. */
import { alike, perSecond, quantiles } from "./Dashboard.ts"
import type { Dashboard } from "./Dashboard.ts"

export const models: Dashboard = {
  name: "models",
  title: "Model calls",
  description: "Calls, latency, tokens, rate limits and breakers.",
  rows: [
    {
      title: "Calls",
      panels: [
        {
          title: "Calls by outcome",
          description: "A second. ok, or the error's name: ModelRateLimited is a 429, ModelUnauthorized a refused key.",
          unit: "reqps",
          stacked: true,
          queries: [perSecond("eco2_model_calls_total", "model, outcome")]
        },
        {
          title: "Share of 429",
          description: "Of all calls, by model. Above a few percent, MODEL_LIMITS is higher than the provider's limit.",
          unit: "percentunit",
          alarm: 0.05,
          queries: [
            {
              expr: 'sum by (model) (rate(eco2_model_calls_total{$ns, outcome="ModelRateLimited"}[$window])) / sum by (model) (rate(eco2_model_calls_total{$ns}[$window]))',
              legend: "{{model}}"
            }
          ]
        },
        {
          title: "Latency of successful calls, p95",
          description: "From sending a call to its end, without the wait for a limit; 95 % took at most this long.",
          unit: "s",
          queries: quantiles("eco2_model_seconds", ', outcome="ok"', "model").slice(1, 2)
        }
      ]
    },
    {
      title: "Bills",
      panels: [
        {
          title: "Paid calls by bill",
          description:
            "A second, as the ledgers of jobs have them. billed-bad: paid, and of no use. uncertain: cut or lost, it may be billed.",
          unit: "reqps",
          stacked: true,
          width: 12,
          queries: [perSecond("eco2_paid_calls_total", "service, outcome")]
        },
        {
          title: "Cost an hour",
          description: "Of the models that have a price, in the currency of the prices.",
          unit: "short",
          width: 12,
          queries: [
            { expr: "sum by (service) (rate(eco2_paid_cost_total{$ns}[$window])) * 3600", legend: "{{service}}" }
          ]
        },
        {
          title: "Calls saved",
          description: "A second: calls that were not made because the reply to the same request was known, by model.",
          unit: "reqps",
          width: 12,
          queries: [perSecond("eco2_model_reused_total", "model")]
        },
        {
          title: "Answers without a model",
          description: "A second: stages that fell back to a plainer output, such as the rule's own steps, by why.",
          unit: "reqps",
          width: 12,
          queries: [perSecond("eco2_fallbacks_total", "stage, reason")]
        }
      ]
    },
    {
      title: "Tokens",
      panels: [
        {
          title: "Tokens a minute",
          description: "As the provider counts them, by model and direction.",
          unit: "short",
          width: 12,
          stacked: true,
          queries: [
            {
              expr: 'sum by (model, direction) (rate(eco2_model_tokens_total{$ns, direction=~"input|output"}[$window])) * 60',
              legend: "{{model}} {{direction}}"
            }
          ]
        },
        {
          title: "Cached input and reasoning a minute",
          description:
            "Parts of the tokens beside: input that the provider had in its cache, output that was not said.",
          unit: "short",
          width: 12,
          stacked: true,
          queries: [
            {
              expr: 'sum by (model, direction) (rate(eco2_model_tokens_total{$ns, direction=~"cached|reasoning"}[$window])) * 60',
              legend: "{{model}} {{direction}}"
            }
          ]
        },
        {
          title: "Tokens a successful call",
          description: "Input and output together, by model.",
          unit: "short",
          width: 12,
          queries: [
            {
              expr: 'sum by (model) (rate(eco2_model_tokens_total{$ns, direction=~"input|output"}[$window])) / sum by (model) (rate(eco2_model_calls_total{$ns, outcome="ok"}[$window]))',
              legend: "{{model}}"
            }
          ]
        }
      ]
    },
    {
      title: "Limits and breakers",
      panels: [
        {
          title: "Breakers",
          description: "0 closed, 1 half-open, 2 open: only one probe at a time calls the model.",
          unit: "short",
          alarm: 2,
          queries: [alike("eco2_breaker_state", "name")]
        },
        {
          title: "Wait for a limit, p95",
          description: "From asking for a limit to the grant, including time on timers.",
          unit: "s",
          queries: quantiles("eco2_limit_wait_seconds", "", "limit").slice(1, 2)
        },
        {
          title: "Grants",
          description: "Calls granted a second, by limit.",
          unit: "reqps",
          queries: [perSecond("eco2_limit_wait_seconds_count", "limit")]
        }
      ]
    }
  ]
}
