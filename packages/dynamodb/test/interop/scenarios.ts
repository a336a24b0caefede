/** What a program may do with a store of Effect's breaker, and what it sees of it, whatever the store. Needs a clock that is moved on. */
import { Duration, Effect, Exit, Option, Scope } from "effect"
import * as EffectBreaker from "effect/persistence/CircuitBreaker"
import { TestClock } from "effect/testing"

export type Store = EffectBreaker.CircuitBreakerStore["Service"]

export const openFor = Duration.millis(400)
export const idleTimeToLive = Duration.seconds(1)

type Outcome = "Success" | "Failure" | "Ignored"

/** A circuit, and a log of all that is seen of it. Times are told as whether they are what they may be. */
export interface Actor {
  readonly log: ReadonlyArray<unknown>
  readonly admit: Effect.Effect<EffectBreaker.Admission | undefined>
  readonly record: (
    admission: EffectBreaker.Admission | undefined,
    outcome: Outcome,
    length?: Duration.Duration
  ) => Effect.Effect<void>
  readonly call: (outcome: Outcome) => Effect.Effect<void>
  readonly look: Effect.Effect<void>
}

export const makeActor = Effect.fnUntraced(function*(
  store: Store,
  tripPolicy: EffectBreaker.TripPolicy,
  key = "circuit"
): Effect.fn.Return<Actor, never, Scope.Scope> {
  const log: Array<unknown> = []
  const scope = yield* Effect.scope
  const within = (duration: Duration.Duration) => {
    const millis = Duration.toMillis(duration)
    return millis > 0 && millis <= Duration.toMillis(openFor)
  }
  let latest = -1
  const admit = Effect.map(Effect.exit(Scope.provide(store.admit(key), scope)), (exit) => {
    const failure = Option.getOrUndefined(Exit.findErrorOption(exit))?.reason
    if (Exit.isSuccess(exit)) {
      const { generation, ...rest } = exit.value
      log.push({ ...rest, renewed: generation > latest })
      latest = Math.max(latest, generation)
      return exit.value
    }
    log.push(failure?._tag === "CircuitOpen" ? { open: within(failure.retryAfter) } : failure?._tag ?? exit)
    return undefined
  })
  const record: Actor["record"] = (admission, outcome, length = openFor) =>
    Effect.map(
      Effect.orDie(
        store.record({ key, generation: admission?.generation ?? -1, outcome, tripPolicy, openFor: length })
      ),
      (transition) => {
        log.push(
          transition?.to === "Open"
            ? { ...transition, retryAfter: Duration.toMillis(transition.retryAfter) }
            : transition
        )
      }
    )
  const look = Effect.map(Effect.orDie(store.state(key)), (state) => {
    log.push(state._tag === "Open" ? { ...state, retryAfter: within(state.retryAfter) } : state)
  })
  return { log, admit, record, look, call: (outcome) => Effect.flatMap(admit, (permit) => record(permit, outcome)) }
})

export interface Scenario {
  readonly policy: EffectBreaker.TripPolicy
  readonly play: (actor: Actor) => Effect.Effect<void>
}

const afterOpening = TestClock.adjust("450 millis")

export const scenarios: Readonly<Record<string, Scenario>> = {
  "a circuit that nobody called is closed": {
    policy: EffectBreaker.consecutive(1),
    play: ({ look }) => look
  },
  "failures in a row open it, a success in between begins anew, and what is ignored does neither": {
    policy: EffectBreaker.consecutive(3),
    play: ({ admit, call, look }) =>
      Effect.gen(function*() {
        for (const outcome of ["Failure", "Failure", "Success", "Failure", "Ignored", "Failure"] as const) {
          yield* call(outcome)
        }
        yield* look
        yield* call("Failure")
        yield* look
        yield* admit
      })
  },
  "a share of failures among the latest calls opens it, whichever call completes it": {
    policy: EffectBreaker.rate({ threshold: 0.5, minimumCalls: 4, size: 6 }),
    play: ({ call, look }) =>
      Effect.gen(function*() {
        for (const outcome of ["Failure", "Failure", "Ignored", "Success"] as const) yield* call(outcome)
        yield* look
        yield* call("Success")
        yield* look
      })
  },
  "calls that are no longer among the latest count no more": {
    policy: EffectBreaker.rate({ threshold: 0.75, minimumCalls: 4, size: 4 }),
    play: ({ call, look }) =>
      Effect.gen(function*() {
        const outcomes = [
          "Failure",
          "Failure",
          "Success",
          "Success",
          "Failure",
          "Success",
          "Failure",
          "Failure"
        ] as const
        for (const outcome of outcomes) {
          yield* call(outcome)
          yield* look
        }
      })
  },
  "a rate of zero still takes a failure": {
    policy: EffectBreaker.rate({ threshold: 0, minimumCalls: 1, size: 2 }),
    play: ({ call, look }) =>
      Effect.gen(function*() {
        yield* call("Success")
        yield* call("Failure")
        yield* look
      })
  },
  "late outcomes of calls from before an opening change nothing": {
    policy: EffectBreaker.consecutive(2),
    play: ({ admit, call, look, record }) =>
      Effect.gen(function*() {
        const [first, second] = [yield* admit, yield* admit]
        yield* call("Failure")
        yield* call("Failure")
        yield* record(first, "Success")
        yield* look
        yield* afterOpening
        const probe = yield* admit
        yield* record(second, "Failure")
        yield* look
        yield* record(probe, "Success")
        yield* record(probe, "Failure")
        yield* look
      })
  },
  "after the opening one probe runs, and its success closes the circuit": {
    policy: EffectBreaker.consecutive(1),
    play: ({ admit, call, look, record }) =>
      Effect.gen(function*() {
        yield* call("Failure")
        yield* afterOpening
        yield* look
        const probe = yield* admit
        yield* look
        yield* admit
        yield* record(probe, "Success")
        yield* look
        yield* call("Success")
      })
  },
  "openings in a row are counted over a close, until the circuit stayed closed as long as it was open": {
    policy: EffectBreaker.consecutive(1),
    play: ({ admit, call, look, record }) =>
      Effect.gen(function*() {
        yield* call("Failure")
        yield* afterOpening
        yield* record(yield* admit, "Failure")
        yield* look
        yield* afterOpening
        yield* record(yield* admit, "Success")
        yield* call("Failure")
        yield* look
        yield* afterOpening
        yield* record(yield* admit, "Success")
        yield* afterOpening
        yield* call("Failure")
        yield* look
      })
  },
  "a probe that is ignored leaves its place to the next": {
    policy: EffectBreaker.consecutive(1),
    play: ({ admit, call, look, record }) =>
      Effect.gen(function*() {
        yield* call("Failure")
        yield* afterOpening
        yield* record(yield* admit, "Ignored")
        yield* look
        const probe = yield* admit
        yield* look
        yield* record(probe, "Success")
        yield* look
      })
  },
  "an opening may last no time at all": {
    policy: EffectBreaker.consecutive(1),
    play: ({ admit, record }) =>
      Effect.gen(function*() {
        yield* record(yield* admit, "Failure", Duration.zero)
        yield* record(yield* admit, "Success", Duration.zero)
      })
  },
  "a circuit that was idle for long is forgotten, and its late outcomes with it": {
    policy: EffectBreaker.consecutive(2),
    play: ({ admit, call, look, record }) =>
      Effect.gen(function*() {
        const late = yield* admit
        yield* call("Failure")
        yield* TestClock.adjust("1300 millis")
        yield* look
        const fresh = yield* admit
        yield* record(late, "Failure")
        yield* record(late, "Failure")
        yield* look
        yield* record(fresh, "Failure")
        yield* look
      })
  },
  "a call now and then keeps a circuit from being forgotten": {
    policy: EffectBreaker.consecutive(2),
    play: ({ call, look }) =>
      Effect.gen(function*() {
        yield* call("Failure")
        for (let time = 0; time < 3; time++) {
          yield* TestClock.adjust("500 millis")
          yield* call("Ignored")
        }
        yield* call("Failure")
        yield* look
      })
  },
  "an open circuit is remembered for as long again after its opening": {
    policy: EffectBreaker.consecutive(1),
    play: ({ admit, call, look }) =>
      Effect.gen(function*() {
        yield* call("Failure")
        yield* TestClock.adjust("1200 millis")
        yield* look
        yield* admit
      })
  }
}
