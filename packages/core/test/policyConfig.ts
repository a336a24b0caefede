/** What the tests of policies from a ConfigProvider share. */
import { assert } from "@effect/vitest"
import { Policy, PolicyError } from "@reclose/core"
import { ConfigProvider, Effect } from "effect"

/** The policy that a provider has. */
export const from = (provider: ConfigProvider.ConfigProvider, path = "breaker") =>
  Effect.provideService(Policy.config(path), ConfigProvider.ConfigProvider, provider)

/** The mistakes of a policy that has some. */
export const issuesOf = <R>(policy: Effect.Effect<Policy.Policy, unknown, R>) =>
  Effect.map(Effect.flip(policy), (error) => {
    assert.instanceOf(error, PolicyError)
    return error.issues
  })

/** A policy that says all there is to say. */
export const whole = {
  tripRule: {
    _tag: "Any",
    rules: [
      { _tag: "Consecutive", failures: 3 },
      { _tag: "Failures", failures: 4, window: "1 minute" },
      { _tag: "FailureRate", threshold: 0.25, window: 50, minimumCalls: 10 },
      {
        _tag: "All",
        rules: [
          { _tag: "SlowCallRate", slowerThan: "2 seconds", threshold: 0.75, window: "30 seconds", minimumCalls: 7 },
          { _tag: "InFlightAge", olderThan: "5 seconds", calls: 8 }
        ]
      }
    ]
  },
  openDuration: { initial: "5 seconds", factor: 1.5 },
  maxOpenDuration: "5 minutes",
  jitter: 0.5,
  warmUp: "10 seconds",
  quorum: 2,
  halfOpen: { permits: 3, successThreshold: 2, failureThreshold: 4, maxDuration: "15 seconds" },
  maxKeys: 500,
  idleTimeToLive: "10 minutes",
  hydrateTimeout: "50 millis",
  storeTimeout: "1 second",
  flushEvery: "2 seconds",
  refreshEvery: "5 seconds",
  background: false,
  keys: {
    "payments/*": {
      tripRule: { _tag: "Consecutive", failures: 1 },
      openDuration: "20 seconds",
      halfOpen: { permits: 5 }
    },
    "payments/sand.box": { jitter: 0, maxOpenDuration: "1 hour", warmUp: 0 }
  }
}
