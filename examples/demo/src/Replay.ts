/**
 * A plan of the user's own requests.
 */
import type { Policy } from "@reclose/core"
import { type Duration, Effect } from "effect"
import { CliError } from "effect/cli"
import type { Plan } from "./Plan.ts"
import * as Requests from "./Requests.ts"
import * as Scenario from "./Scenario.ts"

/** Milliseconds between two requests that don't say when they are due. */
const gap = 50

export const plan = Effect.fnUntraced(function*(options: {
  readonly text: string
  readonly policy: Policy.Policy | undefined
  readonly timeout: Duration.Duration
  readonly compare: boolean
}) {
  const { mistakes, requests } = Requests.parse(options.text, gap)
  const lines = mistakes.map(({ line, problem }) => `  line ${line}: ${problem}`)
  const last = requests.at(-1)
  if (last === undefined) {
    return yield* new CliError.UserError({
      cause: undefined,
      userMessage: ["There is no request in the file.", ...lines].join("\n")
    })
  }
  const side = { requests, receivedWhileSick: undefined }
  const plan: Plan = {
    intro: [
      `${requests.length} requests of your own${
        options.compare ? ", each sent twice: with a breaker and without" : ""
      }.`,
      ...(lines.length === 0 ? [] : ["Not sent, because they are no requests:", ...lines])
    ],
    scripts: {},
    policy: options.policy ?? Scenario.policy(1),
    timeout: options.timeout,
    lasts: last.at,
    guarded: side,
    unguarded: options.compare ? side : undefined
  }
  return plan
})
