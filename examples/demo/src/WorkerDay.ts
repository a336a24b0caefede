/**
 * The second act: a worker of several processes, whose circuits are in DynamoDB. It is the worker of `examples/worker`,
 * and the story is its own; here it is shown.
 */
import { Effect } from "effect"
import * as Day from "../../worker/src/local/Day.ts"
import { lineOf, summaryOf } from "../../worker/src/local/story.ts"
import type { Screen } from "./Screen.ts"

const intro = [
  "",
  "A worker in Lambda's place: it takes jobs from a queue, each in one of two containers, and keeps its circuits in",
  "DynamoDB (an emulator). quotes falls ill once more.",
  ""
]

export const play = (screen: Screen) =>
  screen.print(intro).pipe(
    Effect.andThen(Day.live((news) => screen.print([lineOf(news)]))),
    Effect.flatMap((outcome) => screen.print(["", ...summaryOf(outcome)])),
    Effect.catchTag("CloudError", ({ message }) => screen.print([`It can't be shown on this machine: ${message}`]))
  )
