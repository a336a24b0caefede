/** `pnpm --filter worker start`: the function that would be deployed, on this machine, through a day of its life. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import * as Day from "./Day.ts"
import { lineOf, summaryOf } from "./story.ts"

Day.live((news) => Console.log(lineOf(news))).pipe(
  Effect.flatMap((outcome) => Console.log(["", ...summaryOf(outcome)].join("\n"))),
  NodeRuntime.runMain
)
