/** How long the n-th opening in a row lasts. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Random, Schedule } from "effect"
import { isUsable, makeOpenDuration } from "../../src/internal/OpenDuration.ts"
import type { OpenDuration, ValidPolicy } from "../../src/internal/PolicyReader.ts"

const day = 86_400_000

const make = (openDuration: OpenDuration, options: Partial<ValidPolicy> = {}) =>
  Effect.gen(function*() {
    const context = yield* Effect.context<never>()
    const random = yield* Random.Random
    return makeOpenDuration({ openDuration, maxOpenDuration: day, jitter: 0, ...options }, context, random)
  })

const backoff = (initial: number, factor: number, options?: Partial<ValidPolicy>) =>
  make({ _tag: "Backoff", initial, factor }, options)

const scheduled = (schedule: Schedule.Schedule<unknown, number>, options?: Partial<ValidPolicy>) =>
  make({ _tag: "Schedule", schedule }, options)

/** The lengths of the first openings in a row. */
const first = (openings: number, lasts: (opening: number) => number): ReadonlyArray<number> =>
  Array.from({ length: openings }, (_, i) => lasts(i + 1))

const refuse = (): never => {
  throw new Error("nothing is to be drawn")
}

/** A schedule of these delays, which counts how often it is asked. */
const counted = (delays: ReadonlyArray<number>, end: Effect.Effect<never>) => {
  const asked: Array<number> = []
  const schedule = Schedule.fromStep(
    Effect.sync(() => {
      let step = 0
      return (_now: number, input: number) =>
        Effect.suspend((): Effect.Effect<[number, Duration.Duration]> => {
          asked.push(input)
          const delay = delays[step++]
          return delay === undefined ? end : Effect.succeed([step, Duration.millis(delay)])
        })
    })
  )
  return { asked, schedule }
}

describe("an open duration", () => {
  it.effect("with a factor of one is the same for each opening", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(first(4, yield* backoff(500, 1)), [500, 500, 500, 500])
    }))

  it.effect("grows by its factor from its first opening on", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(first(4, yield* backoff(500, 2)), [500, 1_000, 2_000, 4_000])
      assert.deepStrictEqual(first(3, yield* backoff(100, 1.5)), [100, 150, 225])
    }))

  it.effect("is never above its cap, however many openings there are", () =>
    Effect.gen(function*() {
      const lasts = yield* backoff(500, 2, { maxOpenDuration: 1_500 })
      assert.deepStrictEqual(first(3, lasts), [500, 1_000, 1_500])
      assert.strictEqual(lasts(1_000_000), 1_500, "where the number itself is beyond all numbers")
      const scheduledToo = yield* scheduled(Schedule.exponential("1 second"), { maxOpenDuration: 3_000 })
      assert.deepStrictEqual(first(4, scheduledToo), [1_000, 2_000, 3_000, 3_000])
      assert.strictEqual((yield* scheduled(Schedule.spaced(Duration.infinity)))(1), day)
    }))

  it.effect("does not depend on which openings were asked for before", () =>
    Effect.gen(function*() {
      for (const lasts of [yield* backoff(500, 2), yield* scheduled(Schedule.exponential("500 millis"))]) {
        assert.deepStrictEqual([lasts(3), lasts(1), lasts(3), lasts(2)], [2_000, 500, 2_000, 1_000])
      }
    }))
})

describe("jitter", () => {
  const jittered = (jitter: number, options?: Partial<ValidPolicy>) => backoff(1_000, 1, { jitter, ...options })

  it.effect("shortens by no more than its share, and uses all of it", () =>
    Effect.gen(function*() {
      for (const jitter of [0.25, 1]) {
        const drawn = first(2_000, yield* jittered(jitter))
        const least = 1_000 * (1 - jitter)
        assert.isAbove(Math.min(...drawn), least)
        assert.isBelow(Math.min(...drawn), least + 10)
        assert.isAtMost(Math.max(...drawn), 1_000)
        assert.isAbove(Math.max(...drawn), 1_000 - 10)
      }
    }).pipe(Random.withSeed("bounds")))

  it.effect("shortens what the cap has left", () =>
    Effect.gen(function*() {
      const drawn = first(1_000, yield* jittered(0.5, { maxOpenDuration: 100 }))
      assert.isAtMost(Math.max(...drawn), 100)
      assert.isBelow(Math.min(...drawn), 51)
      assert.isAtLeast(Math.min(...drawn), 50)
    }).pipe(Random.withSeed("cap")))

  it.effect("is drawn anew for each opening, also for the same one", () =>
    Effect.gen(function*() {
      const lasts = yield* jittered(0.5)
      assert.strictEqual(new Set([lasts(1), lasts(1), lasts(1), lasts(2)]).size, 4)
    }))

  it.effect("is the same again from the same seed, and another from another", () =>
    Effect.gen(function*() {
      const drawn = Effect.map(jittered(0.5), (lasts) => first(5, lasts))
      const one = yield* Random.withSeed(drawn, "one")
      assert.deepStrictEqual(yield* Random.withSeed(drawn, "one"), one)
      assert.notDeepEqual(yield* Random.withSeed(drawn, "two"), one)
    }))

  it.effect("of nothing draws nothing", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(first(3, yield* jittered(0)), [1_000, 1_000, 1_000])
    }).pipe(Effect.provideService(Random.Random, { nextIntUnsafe: refuse, nextDoubleUnsafe: refuse })))
})

describe("a schedule", () => {
  it.effect.each<[string, Schedule.Schedule<unknown, number>, ReadonlyArray<number>]>([
    ["exponential", Schedule.exponential("1 second"), [1_000, 2_000, 4_000, 8_000]],
    ["exponential by another factor", Schedule.exponential("1 second", 3), [1_000, 3_000, 9_000, 27_000]],
    ["spaced", Schedule.spaced("5 seconds"), [5_000, 5_000, 5_000, 5_000]],
    ["fibonacci", Schedule.fibonacci("1 second"), [1_000, 1_000, 2_000, 3_000]],
    [
      "bounded in times, which keeps its last delay",
      Schedule.upTo(Schedule.exponential("1 second"), { times: 2 }),
      [1_000, 2_000, 2_000, 2_000]
    ],
    [
      // The openings themselves are the time that passes: the third begins after three seconds, the fourth after seven.
      "bounded in time, which keeps its last delay",
      Schedule.upTo(Schedule.exponential("1 second"), { duration: "3 seconds" }),
      [1_000, 2_000, 4_000, 4_000]
    ],
    [
      "followed by another",
      Schedule.concat(Schedule.upTo(Schedule.spaced("1 second"), { times: 2 }), Schedule.spaced("1 minute")),
      [1_000, 1_000, 60_000, 60_000]
    ]
  ])("that is %s", ([, schedule, expected]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(first(4, yield* scheduled(schedule)), expected)
    }))

  it.effect("is stepped from its start for each opening, and no further", () =>
    Effect.gen(function*() {
      const { asked, schedule } = counted([10, 20, 30, 40], Effect.die("asked beyond its end"))
      const lasts = yield* scheduled(schedule)
      assert.deepStrictEqual(asked, [])
      assert.deepStrictEqual([lasts(2), lasts(1), lasts(3)], [20, 10, 30])
      assert.deepStrictEqual(asked, [1, 2, 1, 1, 2, 3])
    }))

  it.effect("that fails keeps its last delay", () =>
    Effect.gen(function*() {
      const { asked, schedule } = counted([10, 20], Effect.die("broken"))
      const lasts = yield* scheduled(schedule)
      assert.deepStrictEqual(first(5, lasts), [10, 20, 20, 20, 20])
      assert.strictEqual(Math.max(...asked), 3)
    }))

  it.effect("with jitter of its own draws anew for each opening, also for one of the same number", () =>
    Effect.gen(function*() {
      const lasts = yield* scheduled(Schedule.jittered(Schedule.spaced("1 second")))
      const drawn = [...first(5, lasts), ...first(5, lasts)]
      assert.strictEqual(new Set(drawn).size, 10)
      for (const delay of drawn) assert.isTrue(delay >= 800 && delay <= 1_200)
    }))

  it.effect("draws from the random numbers that the breaker was built with", () =>
    Effect.gen(function*() {
      const drawn = Effect.map(scheduled(Schedule.jittered(Schedule.spaced("1 second"))), (lasts) => first(5, lasts))
      assert.deepStrictEqual(yield* Random.withSeed(drawn, "one"), yield* Random.withSeed(drawn, "one"))
    }))

  it.effect("starts anew for each policy that holds it", () =>
    Effect.gen(function*() {
      const schedule = Schedule.exponential("1 second")
      const [one, other] = [yield* scheduled(schedule), yield* scheduled(schedule)]
      assert.strictEqual(one(4), 8_000)
      assert.strictEqual(other(1), 1_000)
    }))

  it.effect("is stepped a thousand times for an opening and no more", () =>
    Effect.gen(function*() {
      const { asked, schedule } = counted(Array.from({ length: 5_000 }, (_, i) => i + 1), Effect.die("the end"))
      const lasts = yield* scheduled(schedule)
      for (const n of [1_000, 1_001, Number.MAX_SAFE_INTEGER]) {
        asked.length = 0
        assert.strictEqual(lasts(n), 1_000)
        assert.strictEqual(asked.length, 1_000)
      }
    }))

  it("is usable if it recurs at least once, without waiting", () => {
    const waiting = Schedule.fromStep(
      Effect.succeed(() => Effect.as(Effect.sleep("1 second"), [0, Duration.seconds(1)] as [number, Duration.Duration]))
    )
    const waitingLater = Schedule.concat(Schedule.recurs(1), waiting)
    const unmade = Schedule.fromStep(Effect.as(Effect.sleep("1 second"), () => Effect.never))
    assert.isTrue(isUsable(Schedule.recurs(1)))
    assert.isTrue(isUsable(waitingLater))
    assert.isFalse(isUsable(Schedule.recurs(0)))
    assert.isFalse(isUsable(waiting))
    assert.isFalse(isUsable(unmade))
    assert.isFalse(isUsable(counted([], Effect.die("broken")).schedule))
  })

  it.effect("that waits later on keeps its last delay before", () =>
    Effect.gen(function*() {
      const { schedule } = counted([10, 20], Effect.never)
      assert.deepStrictEqual(first(4, yield* scheduled(schedule)), [10, 20, 20, 20])
    }))
})

it.effect.each<[string, () => Effect.Effect<Duration.Duration>]>([
  ["throws", () => {
    throw new Error("a bug")
  }],
  ["dies", () => Effect.die("a bug")],
  ["waits", () => Effect.never],
  // What JavaScript lets a program do.
  ["returns nothing", () => undefined as unknown as Effect.Effect<Duration.Duration>]
])(
  "an opening whose schedule %s after it has worked lasts as long as by default",
  ([, broken]) =>
    Effect.gen(function*() {
      let runs = 0
      const schedule = Schedule.modifyDelay(
        Schedule.spaced("10 seconds"),
        () => runs++ === 0 ? Effect.succeed(Duration.seconds(10)) : broken()
      )
      const lasts = yield* scheduled(schedule)
      assert.deepStrictEqual([lasts(1), lasts(1)], [10_000, 30_000])
    })
)
