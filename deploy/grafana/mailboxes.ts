/** Dashboard `mailboxes`: waiting work and dead letters. Every process exports the same values for a mailbox. */
import { alike, orZero, perSecond } from "./Dashboard.ts"
import type { Dashboard } from "./Dashboard.ts"

export const mailboxes: Dashboard = {
  name: "mailboxes",
  title: "Mailboxes and dead letters",
  description: "Depth, age and backlog of every mailbox; dead letters by cause.",
  rows: [
    {
      title: "Mailboxes",
      panels: [
        {
          title: "Depth",
          description:
            "Entries not yet acknowledged, including those in work. At MAILBOX_CAPACITY submits are refused.",
          unit: "short",
          queries: [alike("eco2_mailbox_depth", "mailbox")]
        },
        {
          title: "In work",
          description: "Entries that processes have begun or hold, in the whole fleet.",
          unit: "short",
          queries: [alike("eco2_mailbox_leased", "mailbox")]
        },
        {
          title: "Age of the oldest entry",
          description: "Time since its work arrived. At JOB_DEADLINE (an hour) jobs fail.",
          unit: "s",
          alarm: 300,
          queries: [alike("eco2_mailbox_oldest_seconds", "mailbox")]
        },
        {
          title: "Servers",
          description: "Living processes that serve each mailbox, told by the gateways. 0 with work is an alarm.",
          unit: "short",
          width: 12,
          queries: [alike("eco2_mailbox_servers", "mailbox")]
        },
        {
          title: "Paused mailboxes, drained processes",
          description:
            "1: an operator has paused the mailbox. The line without a mailbox counts processes that take no work.",
          unit: "short",
          width: 12,
          queries: [
            alike("eco2_mailbox_paused", "mailbox"),
            { expr: "max(eco2_processes_drained{$ns})", legend: "drained" }
          ]
        },
        {
          title: "Letters that wait",
          description: "Dead letters in each mailbox now. `eco2 dead list` lists them.",
          unit: "short",
          width: 12,
          queries: [alike("eco2_mailbox_letters", "mailbox")]
        },
        {
          title: "Backlog",
          description: "Entries waiting, in work, or due within a minute; autoscalers read this.",
          unit: "short",
          width: 12,
          queries: [alike("eco2_mailbox_backlog", "mailbox")]
        },
        {
          title: "Due within a minute",
          description: "Retries and parked jobs on timers.",
          unit: "short",
          width: 12,
          queries: [alike("eco2_mailbox_due", "mailbox")]
        }
      ]
    },
    {
      title: "Dead letters",
      panels: [
        {
          title: "Dead letters in the time shown",
          description: "Written within the time shown, by mailbox and cause. `eco2 dead list` lists them.",
          unit: "short",
          width: 12,
          queries: [
            {
              expr: "sum by (mailbox, reason) (increase(eco2_dead_letters{$ns}[$__range]))",
              legend: "{{mailbox}} {{reason}}"
            }
          ]
        },
        {
          title: "Attempts that did not commit",
          description: "By stage and error; these may become dead letters.",
          unit: "ops",
          width: 12,
          queries: [perSecond("eco2_attempts_total", "stage, reason")]
        },
        {
          title: "Outlived attempts",
          description:
            "Handlers that ran on after their attempt had ended, a second, and those that still run. They hold slots; any is a defect of the handler.",
          unit: "short",
          width: 12,
          queries: [
            perSecond("eco2_attempts_outlived_total", "mailbox, reason"),
            { expr: "sum by (mailbox) (eco2_attempts_outlived_running{$ns})", legend: "{{mailbox}} running" }
          ]
        },
        {
          title: "Suspects of crashes",
          description: "Entries that were in work when processes died, by what was decided of them, a second.",
          unit: "ops",
          width: 12,
          queries: [perSecond("eco2_suspects_total", "mailbox, verdict")]
        },
        {
          title: "Unserved",
          description: "Entries that wait in mailboxes that no process serves. Any is an alarm.",
          unit: "short",
          width: 24,
          alarm: 0.000_001,
          queries: [alike("eco2_mailbox_unserved", "mailbox")]
        },
        {
          title: "Jobs put back",
          description: "Open jobs that nothing in Redis stood for, by what they lacked, a second. Any is an alarm.",
          unit: "ops",
          width: 24,
          alarm: 0.000_001,
          queries: [orZero(perSecond("eco2_jobs_put_back_total", "lacked"))]
        },
        {
          kind: "table",
          title: "Dead letters of live processes",
          description:
            "Written since the start of each process. Letters stay in Redis for LETTER_TTL, independent of this figure.",
          unit: "short",
          width: 24,
          queries: [{ expr: "sum by (mailbox, reason) (eco2_dead_letters{$ns})", legend: "{{mailbox}} {{reason}}" }]
        }
      ]
    }
  ]
}
