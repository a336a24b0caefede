/**
 * What the demo plays when it is given no requests: two upstreams, one of which falls ill twice, and their traffic.
 */
import { type Policy, TripRule } from "@reclose/core"
import { Array, Duration, Effect, Order, Record } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import type { Plan } from "./Plan.ts"
import type { Stopwatch } from "./Stopwatch.ts"
import type * as Traffic from "./Traffic.ts"
import * as Upstream from "./Upstream.ts"

const lasts = 14_500

const scripts: Readonly<Record<string, ReadonlyArray<readonly [Upstream.Health, number]>>> = {
  quotes: [
    ["healthy", 1_500],
    ["slow", 2_500],
    ["healthy", 3_000],
    ["failing", 2_000],
    ["down", 2_000],
    ["recovering", 1_000],
    ["healthy", 2_500]
  ],
  orders: [["healthy", lasts]]
}

/** Milliseconds between two requests to an upstream. */
const pace: Readonly<Record<string, number>> = { quotes: 33, orders: 100 }

/**
 * The policy of the demo. A script that runs faster is no match for openings that last as long as ever, so they shrink
 * with it.
 */
export const policy = (speed: number): Policy.Policy => ({
  tripRule: TripRule.any([
    TripRule.failureRate({ threshold: 0.5, window: 20, minimumCalls: 10 }),
    TripRule.slowCallRate({ slowerThan: "400 millis", threshold: 0.5, window: 20, minimumCalls: 10 })
  ]),
  openDuration: { initial: Duration.millis(1_000 / speed), factor: 1.5 },
  maxOpenDuration: Duration.millis(2_000 / speed),
  halfOpen: { permits: 2, successThreshold: 3, maxDuration: "2 seconds" }
})

const schedule = (key: string, url: string, speed: number): ReadonlyArray<Traffic.Request> => {
  const gap = pace[key] ?? 100
  return Array.makeBy(Math.floor(lasts / speed / gap), (nth) => ({
    key,
    at: nth * gap,
    http: HttpClientRequest.get(`${url}/${key}/${nth}`)
  }))
}

const byTime = Order.mapInput(Order.Number, (request: Traffic.Request) => request.at)

/**
 * Starts the upstreams, and a twin of each for the traffic without a breaker: calls that one run makes can't burden the
 * other.
 */
export const plan = Effect.fnUntraced(function*(options: {
  /** How many times faster the script runs. What answers and calls take stays the same. */
  readonly speed: number
  readonly stopwatch: Stopwatch
  readonly policy: Policy.Policy | undefined
}) {
  const { speed, stopwatch } = options
  const timeline = Record.map(
    scripts,
    (phases) => Upstream.script(phases.map(([health, lasts]) => [health, lasts / speed]))
  )
  const side = Effect.gen(function*() {
    const upstreams = yield* Effect.all(
      Record.map(timeline, (script) => Upstream.serve({ script, stopwatch }))
    )
    // The first connection is slower than all others, and no part of what is compared.
    yield* Effect.all(
      Object.values(upstreams).map(({ url }) => Effect.flatMap(HttpClient.get(url), ({ text }) => text))
    )
    const requests = Object.entries(upstreams).flatMap(([key, { url }]) => schedule(key, url, speed))
    const received = Effect.all(Object.values(upstreams).map(({ receivedWhileSick }) => receivedWhileSick))
    return {
      requests: Array.sort(requests, byTime),
      receivedWhileSick: Effect.map(received, (counts) => counts.reduce((sum, count) => sum + count, 0))
    }
  })
  const plan: Plan = {
    intro: [
      "Two upstream servers on this machine, quotes and orders; quotes falls ill twice.",
      "Twins of both get the same requests without a breaker."
    ],
    scripts: timeline,
    policy: options.policy ?? policy(speed),
    timeout: Duration.seconds(1),
    lasts: lasts / speed,
    guarded: yield* side,
    unguarded: yield* side
  }
  return plan
})
