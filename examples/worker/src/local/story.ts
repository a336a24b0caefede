/** The day in words, a line for each thing that happened. */
import type { News, Outcome } from "./Day.ts"

const seconds = (millis: number): string => `${(millis / 1_000).toFixed(1).padStart(5)} s`

const phases: Readonly<Record<string, string>> = { Open: "OPEN", HalfOpen: "HALF-OPEN", Closed: "CLOSED" }

const reasons: Readonly<Record<string, string>> = {
  Tripped: "its calls fail",
  Learned: "another container says so, by way of DynamoDB",
  OpenElapsed: "its time is up, so one call goes out as a probe",
  ProbesSucceeded: "its probe succeeded",
  ProbeFailed: "its probe failed"
}

export const lineOf = (news: News): string =>
  news._tag === "Story"
    ? `${seconds(news.at)}  ${news.text}`
    : `${seconds(news.at)}    circuit of ${news.circuit}: ${phases[news.to] ?? news.to}, ${
      reasons[news.reason] ?? news.reason
    }`

const jobs = (count: number) => count === 1 ? "1 job" : `${count} jobs`

export const summaryOf = (
  { attempted, containers, dead, done, left, millis, returned, sent, untouched, wasted }: Outcome
): ReadonlyArray<string> => [
  `${jobs(sent)} in ${seconds(millis).trim()}: ${done} done, ${left} left, ${dead} among the dead letters.`,
  `While quotes was ill, ${jobs(attempted)} for it were handed out and ${wasted} of them sent to it; the rest waited`,
  `in the queue (put back ${returned} times). ${
    jobs(untouched)
  } for orders were done meanwhile, and ${containers} containers`,
  "took part."
]
