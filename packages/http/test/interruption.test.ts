/** A guarded request interrupted at every point at which it can be: nothing is held any more, and nothing is counted twice. */
import { assert, describe, it } from "@effect/vitest"
import { type CircuitBreaker, type Policy, TripRule, withBreaker } from "@reclose/core"
import { GuardedHttpClient, type HttpPolicy } from "@reclose/http"
import { Effect, Exit, Layer } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { interruptedAt, type Moment, type Step } from "../../core/test/scheduling.ts"
import { guardedBy, stateOf } from "./clients.ts"

/** More than a request takes. That none gets there is checked, too. */
const mostPoints = 300

const url = "http://quotes.example/latest"
const key = "http://quotes.example"

const steps = (step: Step) => Effect.replicateEffect(Effect.andThen(Effect.sync(step), Effect.yieldNow), 3)

/** A client that takes its steps to its answer, and a circuit that a request finds in some state. */
const inSitu = (step: () => Step, breaker: Policy.Policy, policy: HttpPolicy.HttpPolicy) =>
  Effect.provide(
    guardedBy(
      Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request) =>
          Effect.as(Effect.suspend(() => steps(step())), HttpClientResponse.fromWeb(request, new Response("whole")))
        )
      ),
      { breaker, policy }
    )
  )

const send = Effect.flatMap(GuardedHttpClient, (client) => client.get(url))

const first: Policy.Policy = { tripRule: TripRule.consecutive(1), openDuration: "30 seconds" }

const situations: Record<string, {
  readonly before: Effect.Effect<unknown, unknown, CircuitBreaker | GuardedHttpClient>
  readonly breaker: Policy.Policy
}> = {
  "of a closed circuit": { before: send, breaker: first },
  "that is the first of its circuit": { before: Effect.void, breaker: first },
  "that is a probe": {
    before: Effect.andThen(Effect.flip(withBreaker(Effect.fail("down"), key)), TestClock.adjust("30 seconds")),
    breaker: first
  },
  "of a circuit that notes its calls in flight": {
    before: send,
    breaker: { ...first, tripRule: TripRule.inFlightAge({ olderThan: "1 second", calls: 1 }) }
  }
}

const policies: Record<string, HttpPolicy.HttpPolicy> = {
  "by its circuit alone": { settleOn: "headers" },
  "with a place and a turn": {
    settleOn: "headers",
    concurrency: { limit: 1, maxWait: 0 },
    rateLimit: { limit: 100, window: "1 second" }
  },
  "with retries inside": { settleOn: "headers", retry: { place: "inside" } }
}

describe.each(Object.entries(situations))("a request %s", (_, { before, breaker }) => {
  describe.each(Object.entries(policies))("guarded %s", (_, policy) => {
    it.effect.each<[Moment]>([["running"], ["waiting"]])(
      "holds nothing any more, interrupted while %s",
      ([moment]) =>
        Effect.gen(function*() {
          for (let point = 0; point < mostPoints; point++) {
            let at: Step = () => undefined
            const tooLate = yield* Effect.gen(function*() {
              yield* before
              const { counts } = yield* stateOf(url)
              const call = (step: Step) => {
                at = step
                return Effect.andThen(Effect.sync(step), send)
              }
              const { exit, tooLate } = yield* interruptedAt(call, moment, point)
              at = () => undefined
              if (exit === undefined) return assert.fail(`the request hangs when it is interrupted at point ${point}`)
              const after = yield* stateOf(url)
              assert.strictEqual(after.probes, 0, `point ${point}`)
              assert.deepInclude(after.counts, { failed: counts.failed, ignored: counts.ignored }, `point ${point}`)
              // What it held would be in the way of the next one, or open the circuit for being there for so long.
              yield* TestClock.adjust("5 seconds")
              const next = yield* Effect.exit(send)
              assert.isTrue(Exit.isSuccess(next), `point ${point}: ${next}`)
              return tooLate
            }).pipe(inSitu(() => at, breaker, policy))
            if (tooLate) return assert.isAbove(point, 3)
          }
          assert.fail("the request has no end")
        })
    )
  })
})
