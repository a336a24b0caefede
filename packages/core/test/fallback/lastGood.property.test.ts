/** A chain with a last good answer held to a plain model, through failures, clock steps and restarts. */
import { assert, describe, it } from "@effect/vitest"
import { Fallback, LastGood, LastGoodStore } from "@reclose/core"
import { Clock, Duration, Effect, Exit, Schema, Scope } from "effect"
import { Random, seedsUpTo } from "../machine/model/random.ts"
import { SteppedClock } from "../SteppedClock.ts"
import { settled } from "../support.ts"
import { rejectionOf, TestStore, unreachable } from "./support.ts"

const key = "ACME"
const maxAge = 60_000

const open = rejectionOf(key)

/** The latest good answer, as the model knows it. */
interface Latest {
  readonly value: number
  /** Its age in milliseconds, kept by the model as time passes. */
  age: number
}

const pause = (random: Random): number =>
  random.weighted([
    [4, () => random.between(0, 1_000)],
    [2, () => random.between(0, maxAge)],
    [1, () => maxAge],
    [1, () => maxAge + 1],
    [0.3, () => maxAge * 100]
  ])

const step = (random: Random): number =>
  random.pick([-3_600_000, -60_001, -60_000, -5_000, -1, 1, 5_000, 60_000, 3_600_000])

/** What the chain answers when its call is rejected, compared to what the model says it has to. */
const served = (chain: ReturnType<typeof chainOf>, latest: Latest | undefined, about: string) =>
  Effect.gen(function*() {
    const exit = yield* Effect.exit(chain(Effect.fail(open)))
    if (latest === undefined || latest.age > maxAge) {
      assert.deepStrictEqual<unknown>(exit, Exit.fail(open), about)
      return
    }
    const answer = {
      _tag: "Degraded",
      value: latest.value,
      source: "LastGood",
      age: Duration.millis(latest.age),
      error: open
    }
    assert.deepStrictEqual<unknown>(exit, Exit.succeed(answer), about)
  })

const chainOf = (quotes: LastGood.LastGood<number>) => Fallback.chain([Fallback.lastGood(quotes, { key, maxAge })])

describe("a served answer is the latest good one, and never older than it may be", () => {
  it.effect("in memory, whatever the wall clock does", () =>
    Effect.gen(function*() {
      for (const seed of seedsUpTo(200)) {
        const random = new Random(seed)
        const clock = new SteppedClock()
        const chain = chainOf(yield* Effect.provideService(LastGood.memory<number>(), Clock.Clock, clock))
        let latest: Latest | undefined
        for (let i = 0; i < 60; i++) {
          const passed = pause(random)
          yield* clock.step(passed)
          if (latest !== undefined) latest.age += passed
          if (random.chance(0.3)) yield* clock.setWall(step(random))
          if (random.chance(0.3)) {
            yield* chain(Effect.succeed(i))
            latest = { value: i, age: 0 }
          } else yield* served(chain, latest, `at ${i} of seed ${seed}`)
        }
      }
    }))

  it.effect("in a store that fails now and then, whatever the wall clock does", () =>
    Effect.gen(function*() {
      for (const seed of seedsUpTo(100)) {
        const random = new Random(seed)
        const clock = new SteppedClock()
        const store = new TestStore()
        const test = Effect.gen(function*() {
          const chain = chainOf(yield* LastGoodStore.make({ store: store.service, schema: Schema.Finite }))
          let latest: Latest | undefined
          for (let i = 0; i < 40; i++) {
            const passed = pause(random)
            yield* clock.step(passed)
            if (latest !== undefined) latest.age += passed
            if (random.chance(0.3)) yield* clock.setWall(step(random))
            store.beforeGet = random.chance(0.2) ? unreachable : Effect.void
            store.beforeSet = random.chance(0.2) ? unreachable : Effect.yieldNow
            if (random.chance(0.4)) {
              yield* chain(Effect.succeed(i))
              latest = { value: i, age: 0 }
            } else yield* served(chain, latest, `at ${i} of seed ${seed}`)
            // Or the write is still under way when the next call comes.
            if (random.chance(0.5)) yield* settled
          }
        })
        yield* Effect.scoped(test).pipe(Effect.provideService(Clock.Clock, clock))
      }
    }))

  it.effect("in a store across restarts, by the wall clock from then on", () =>
    Effect.gen(function*() {
      for (const seed of seedsUpTo(100)) {
        const random = new Random(seed)
        const clock = new SteppedClock()
        const store = new TestStore()
        let latest: Latest | undefined
        /** Whether its age is known by the wall clock alone. */
        let isInherited = false
        for (let process = 0; process < 5; process++) {
          const scope = yield* Scope.make()
          const quotes = yield* LastGoodStore.make({ store: store.service, schema: Schema.Finite }).pipe(
            Effect.provideService(Scope.Scope, scope),
            Effect.provideService(Clock.Clock, clock)
          )
          const chain = chainOf(quotes)
          for (let i = 0; i < 8; i++) {
            const passed = pause(random)
            yield* clock.step(passed)
            if (latest !== undefined) latest.age += passed
            if (random.chance(0.2)) {
              const by = step(random)
              yield* clock.setWall(by)
              // A step of the wall clock is the age of what only the wall clock knows the age of.
              if (latest !== undefined && isInherited) latest.age += by
            }
            if (random.chance(0.3)) {
              yield* chain(Effect.succeed(process * 100 + i))
              latest = { value: process * 100 + i, age: 0 }
              isInherited = false
            } else {
              const isLost = latest !== undefined && latest.age < -60_000
              const shown = latest === undefined || isLost ? undefined : { ...latest, age: Math.max(latest.age, 0) }
              yield* served(chain, shown, `at ${i} of process ${process} of seed ${seed}`).pipe(
                Effect.provideService(Clock.Clock, clock)
              )
            }
          }
          yield* Scope.close(scope, Exit.void)
          // The record tells the wall time at which the answer was written.
          const text = store.held.get(`reclose/lastGood/${key}`)
          if (latest !== undefined && text !== undefined) {
            latest.age = clock.currentTimeMillisUnsafe() - JSON.parse(text).time
            isInherited = true
          }
        }
      }
    }))
})
