/** Several breakers over one store, each as if in a process of its own: with a way to the store that can be cut. */
import {
  type Breaker,
  CircuitBreaker,
  type CircuitEvent,
  type CircuitOpen,
  type CircuitRecord,
  type CircuitRegister,
  CircuitStore,
  type Policy
} from "@reclose/core"
import { Fate, FaultyStore } from "@reclose/core/testing"
import { Duration, Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import { key, settled } from "../support.ts"

/** A breaker, its own way to the store that all share, and what it has told so far. */
export interface Process {
  readonly breaker: Breaker
  readonly way: FaultyStore["Service"]
  readonly events: ReadonlyArray<CircuitEvent>
  /** A call that succeeds, one that fails; a rejection is an answer as well. */
  readonly succeed: Effect.Effect<string | CircuitOpen>
  readonly fail: Effect.Effect<string | CircuitOpen>
  readonly phase: Effect.Effect<"Closed" | "Open" | "HalfOpen">
}

export interface ProcessOptions {
  readonly decide?: Fate.Decide
  /** What the store tells of changes: those there are by default, undefined for one that tells of none. */
  readonly changes?: CircuitRegister["changes"]
}

/** Starts a process over the store. It ends with the scope. */
export const start = Effect.fnUntraced(
  function*(policy: Policy.Policy, { decide, ...changes }: ProcessOptions = {}) {
    const way = yield* FaultyStore.make(decide)
    const store = { ...way.store, ...changes }
    const breaker = yield* Effect.provideService(CircuitBreaker.make(policy), CircuitStore, store)
    const events: Array<CircuitEvent> = []
    yield* Effect.forkScoped(
      Stream.runForEach(breaker.events, (event) => Effect.sync(() => events.push(event))),
      { startImmediately: true }
    )
    yield* settled
    const process: Process = {
      breaker,
      way,
      events,
      succeed: Effect.catch(breaker.withBreaker(Effect.succeed("42"), key), (open) => Effect.succeed(open)),
      fail: Effect.flip(breaker.withBreaker(Effect.fail("down"), key)),
      phase: Effect.orDie(Effect.map(breaker.state(key), ({ phase }) => phase))
    }
    return process
  }
)

/**
 * Lets time pass. What processes tell each other takes more turns of the scheduler than the clock waits for, so it moves
 * on in small steps.
 */
export const pass = Effect.fnUntraced(function*(duration: Duration.Input) {
  const millis = Duration.toMillis(Duration.fromInputUnsafe(duration))
  const steps = Math.min(100, Math.ceil(millis / 250))
  yield* heard
  for (let step = 0; step < steps; step++) {
    yield* TestClock.adjust(millis / steps)
    yield* heard
  }
})

/** Lets all processes hear what there is to hear. */
export const heard = Effect.replicateEffect(settled, 10, { discard: true })

/** What the store holds of the circuit. */
export const record: Effect.Effect<CircuitRecord.CircuitRecord | undefined, never, CircuitStore> = Effect.orDie(
  CircuitStore.use((store) => Effect.map(store.read(key), ({ record }) => record))
)

/** Puts a record in the place of what the store holds, as if somebody else had written it. */
export const put = (fields: Partial<CircuitRecord.CircuitRecord>) =>
  Effect.orDie(CircuitStore.use((store) =>
    Effect.flatMap(store.read(key), ({ record, time }) => {
      const version = (record?.version ?? 0) + 1
      const blank = { time, timeToLive: 3_600_000, generation: 0, override: "None", policy: "", evidence: [] } as const
      const phase = { _tag: "Closed", openings: 0, remaining: 0 } as const
      return store.replace(key, record, { ...blank, phase, failing: [], writers: [], ...record, ...fields, version })
    })
  ))

/** How often a process asked the store for something. */
export const asked = ({ way }: Process): Effect.Effect<number> =>
  Effect.map(Effect.all([way.count("read"), way.count("replace")]), ([reads, replaces]) => reads + replaces)

/** Every process has used the circuit, and knows it closed. */
export const used = (processes: ReadonlyArray<Process>) =>
  Effect.andThen(Effect.forEach(processes, ({ succeed }) => succeed), pass("3 seconds"))
