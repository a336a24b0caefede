/** The faulty store does to each operation what it is told to, and nothing else. */
import { assert, describe, it } from "@effect/vitest"
import type { CircuitRecord } from "@reclose/core/CircuitRecord"
import { type Change, CircuitStore } from "@reclose/core/CircuitStore"
import { Fate, FaultyStore, storeConformance } from "@reclose/core/testing"
import { Deferred, Effect, Exit, Fiber, Layer, Random, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"

const key = "quotes"

const record = (version: number): CircuitRecord => ({
  version,
  time: 0,
  timeToLive: undefined,
  generation: version,
  phase: { _tag: "Closed", openings: 0, remaining: 0 },
  override: "None",
  policy: "1x2y3z",
  evidence: [],
  failing: [],
  writers: []
})

const changed = (version: number, of = key): Change => ({ _tag: "Changed", key: of, version, generation: version })

/** Lets every other fiber run until it waits for something. */
const settled = Effect.replicateEffect(Effect.yieldNow, 20, { discard: true })

const begin = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.tap(Effect.forkChild(effect, { startImmediately: true }), () => settled)

/** The faulty store, and the one behind it, on which to see what really arrived. */
const stores = Effect.gen(function*() {
  const behind = yield* CircuitStore
  const faults = yield* FaultyStore.make()
  const held = Effect.map(behind.read(key), ({ record }) => record?.version)
  return { behind, faults, held, store: faults.store }
})

const test = (
  name: string,
  run: (given: Effect.Success<typeof stores>) => Generator<Effect.Effect<unknown, unknown, Scope.Scope>, void, never>
) =>
  it.effect(
    name,
    () => Effect.flatMap(stores, (given) => Effect.gen(() => run(given))).pipe(Effect.provide(CircuitStore.layerMemory))
  )

/** What a subscriber has heard so far. */
const listen = Effect.fnUntraced(function*(store: CircuitStore["Service"]) {
  const heard: Array<Change> = []
  const changes = store.changes ?? Stream.empty
  const fiber = yield* begin(Stream.runForEach(changes, (change) => Effect.sync(() => heard.push(change))))
  return { fiber, heard }
})

storeConformance(
  "a faulty store without faults",
  Layer.provide(FaultyStore.layer(), CircuitStore.layerMemory),
  { inProcess: true }
)

describe("an operation of a faulty store", () => {
  test("that is delivered is as good as without it", function*({ behind, store }) {
    assert.strictEqual((yield* store.replace(key, undefined, record(1)))._tag, "Replaced")
    assert.deepStrictEqual((yield* store.read(key)).record, record(1))
    assert.deepStrictEqual((yield* behind.read(key)).record, record(1))
    assert.deepStrictEqual(yield* Stream.runCollect(store.list("q")), [key])
  })

  test("whose request is late arrives late, and is answered then", function*({ faults, held, store }) {
    yield* faults.next("replace", { _tag: "Deliver", requestDelay: "2 seconds" })
    const fiber = yield* begin(store.replace(key, undefined, record(1)))
    yield* TestClock.adjust("1999 millis")
    assert.isUndefined(yield* held)
    yield* TestClock.adjust("1 millis")
    assert.strictEqual(yield* held, 1)
    assert.strictEqual((yield* Fiber.join(fiber))._tag, "Replaced")
  })

  test("whose answer is late is done at once", function*({ faults, held, store }) {
    yield* faults.next("replace", { _tag: "Deliver", answerDelay: "2 seconds" })
    const fiber = yield* begin(store.replace(key, undefined, record(1)))
    assert.strictEqual(yield* held, 1)
    yield* TestClock.adjust("1999 millis")
    assert.isUndefined(fiber.pollUnsafe())
    yield* TestClock.adjust("1 millis")
    assert.strictEqual((yield* Fiber.join(fiber))._tag, "Replaced")
  })

  test("that is on its way arrives, though nobody waits for it any more", function*({ faults, held, store }) {
    yield* faults.next("replace", { _tag: "Deliver", requestDelay: "2 seconds" })
    const fiber = yield* begin(store.replace(key, undefined, record(1)))
    yield* Fiber.interrupt(fiber)
    assert.isUndefined(yield* held)
    yield* TestClock.adjust("2 seconds")
    assert.strictEqual(yield* held, 1)
  })

  it.effect("that is on its way ends with the faulty store's scope", () =>
    Effect.gen(function*() {
      const behind = yield* CircuitStore
      const scope = yield* Scope.make()
      const { next, store } = yield* Scope.provide(FaultyStore.make(), scope)
      yield* next("replace", { _tag: "Deliver", requestDelay: "2 seconds" })
      const fiber = yield* begin(store.replace(key, undefined, record(1)))
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      yield* TestClock.adjust("2 seconds")
      assert.isUndefined((yield* behind.read(key)).record)
    }).pipe(Effect.provide(CircuitStore.layerMemory)))

  test("that fails does not arrive, and says which and why", function*({ faults, held, store }) {
    yield* faults.failNext("replace", { reason: "Throttled" })
    const error = yield* Effect.flip(store.replace(key, undefined, record(1)))
    assert.strictEqual(error._tag, "CircuitStoreError")
    assert.deepInclude(error, { key, operation: "replace", reason: "Throttled" })
    assert.isUndefined(yield* held)
    assert.strictEqual((yield* store.replace(key, undefined, record(1)))._tag, "Replaced")
  })

  test("that fails may do so late", function*({ faults, store }) {
    yield* faults.next("read", { _tag: "Fail", answerDelay: "1 second" })
    const fiber = yield* begin(Effect.flip(store.read(key)))
    yield* TestClock.adjust("999 millis")
    assert.isUndefined(fiber.pollUnsafe())
    yield* TestClock.adjust("1 millis")
    assert.strictEqual((yield* Fiber.join(fiber)).reason, "Unavailable")
  })

  test("whose request is lost never arrives and is never answered", function*({ faults, held, store }) {
    yield* faults.next("replace", { _tag: "LoseRequest" })
    const fiber = yield* begin(store.replace(key, undefined, record(1)))
    yield* TestClock.adjust("1 day")
    assert.isUndefined(fiber.pollUnsafe())
    assert.isUndefined(yield* held)
    yield* Fiber.interrupt(fiber)
  })

  test("whose answer is lost is done and never answered", function*({ faults, held, store }) {
    yield* faults.next("replace", { _tag: "LoseAnswer" })
    const fiber = yield* begin(store.replace(key, undefined, record(1)))
    assert.strictEqual(yield* held, 1)
    yield* TestClock.adjust("1 day")
    assert.isUndefined(fiber.pollUnsafe())
    yield* Fiber.interrupt(fiber)
  })

  test("whose answer is lost may come late and fail", function*({ faults, held, store }) {
    yield* faults.next("replace", {
      _tag: "LoseAnswer",
      reason: "Timeout",
      requestDelay: "1 second",
      answerDelay: "1 second"
    })
    const fiber = yield* begin(Effect.flip(store.replace(key, undefined, record(1))))
    yield* TestClock.adjust("1 second")
    assert.strictEqual(yield* held, 1)
    assert.isUndefined(fiber.pollUnsafe())
    yield* TestClock.adjust("1 second")
    assert.strictEqual((yield* Fiber.join(fiber)).reason, "Timeout")
  })

  test("that is duplicated arrives again later, and is answered the first time", function*({ behind, faults, store }) {
    yield* faults.next("replace", { _tag: "Duplicate", again: "5 seconds" })
    assert.strictEqual((yield* store.replace(key, undefined, record(1)))._tag, "Replaced")
    yield* behind.replace(key, record(1), record(2))
    yield* TestClock.adjust("5 seconds")
    assert.strictEqual((yield* behind.read(key)).record?.version, 2, "a conflict, since somebody wrote in between")
    yield* faults.next("replace", { _tag: "Duplicate", again: "5 seconds" })
    yield* store.replace(key, record(2), record(3))
    // No breaker writes an old version again, but so it is seen that the duplicate arrives.
    yield* behind.replace(key, record(3), record(2))
    yield* TestClock.adjust("4999 millis")
    assert.strictEqual((yield* behind.read(key)).record?.version, 2)
    yield* TestClock.adjust("1 millis")
    assert.strictEqual((yield* behind.read(key)).record?.version, 3)
  })

  test("that is sent again may meet its own write", function*({ faults, store }) {
    yield* faults.next("replace", { _tag: "Duplicate", again: "1 second", answer: "Second" })
    const fiber = yield* begin(store.replace(key, undefined, record(1)))
    assert.isUndefined(fiber.pollUnsafe())
    yield* TestClock.adjust("1 second")
    const answer = yield* Fiber.join(fiber)
    assert.deepInclude(answer, { _tag: "Conflict" })
    assert.deepStrictEqual(answer._tag === "Conflict" && answer.seen.record, record(1))
  })

  test("that is held arrives when what it waits for is over", function*({ faults, held, store }) {
    const gate = yield* Deferred.make<void>()
    yield* faults.next("replace", { _tag: "Hold", until: Deferred.await(gate) })
    const fiber = yield* begin(store.replace(key, undefined, record(1)))
    yield* TestClock.adjust("1 day")
    assert.isUndefined(yield* held)
    yield* Deferred.succeed(gate, undefined)
    assert.strictEqual((yield* Fiber.join(fiber))._tag, "Replaced")
    assert.strictEqual(yield* held, 1)
  })
})

describe("a list of a faulty store", () => {
  test("is delayed, lost and failed like all else", function*({ behind, faults, store }) {
    yield* behind.replace(key, undefined, record(1))
    const list = Stream.runCollect(store.list("q"))
    yield* faults.failNext("list", { reason: "Denied" })
    assert.deepInclude(yield* Effect.flip(list), { key: "q", operation: "list", reason: "Denied" })
    yield* faults.next("list", { _tag: "Deliver", requestDelay: "1 second" })
    const late = yield* begin(list)
    assert.isUndefined(late.pollUnsafe())
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(yield* Fiber.join(late), [key])
    for (const _tag of ["LoseRequest", "LoseAnswer"] as const) {
      yield* faults.next("list", { _tag })
      const lost = yield* begin(list)
      yield* TestClock.adjust("1 day")
      assert.isUndefined(lost.pollUnsafe())
      yield* Fiber.interrupt(lost)
    }
    assert.deepStrictEqual(yield* list, [key])
  })
})

describe("a change that a faulty store tells of", () => {
  const write = (store: CircuitStore["Service"], version: number) =>
    Effect.andThen(store.replace(key, version === 1 ? undefined : record(version - 1), record(version)), settled)

  test("arrives, is lost, comes twice or comes late", function*({ behind, faults, store }) {
    const { heard } = yield* listen(store)
    yield* write(behind, 1)
    assert.deepStrictEqual(heard, [changed(1)])
    yield* faults.next("change", { _tag: "LoseRequest" })
    yield* write(behind, 2)
    yield* faults.next("change", { _tag: "LoseAnswer" })
    yield* write(behind, 3)
    assert.deepStrictEqual(heard.splice(0), [changed(1)])
    yield* faults.next("change", { _tag: "Duplicate", again: "2 seconds" })
    yield* write(behind, 4)
    yield* faults.next("change", { _tag: "Deliver", requestDelay: "400 millis", answerDelay: "600 millis" })
    yield* write(behind, 5)
    yield* write(behind, 6)
    assert.deepStrictEqual(heard, [changed(4), changed(6)], "what is late holds up nothing")
    yield* TestClock.adjust("999 millis")
    assert.deepStrictEqual(heard, [changed(4), changed(6)])
    yield* TestClock.adjust("1 millis")
    assert.deepStrictEqual(heard.splice(0), [changed(4), changed(6), changed(5)])
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(heard, [changed(4)])
  })

  test("may fail its subscription", function*({ behind, faults, store }) {
    const { fiber } = yield* listen(store)
    yield* faults.next("change", { _tag: "Fail", answerDelay: "1 second" }, { key })
    yield* write(behind, 1)
    assert.isUndefined(fiber.pollUnsafe())
    yield* TestClock.adjust("1 second")
    assert.deepInclude(yield* Effect.flip(Fiber.join(fiber)), { key, operation: "changes", reason: "Unavailable" })
  })

  test("is not told to a subscription that fails from the start, or is lost", function*({ behind, faults, store }) {
    yield* faults.failNext("changes")
    const { fiber } = yield* listen(store)
    assert.deepInclude(yield* Effect.flip(Fiber.join(fiber)), { operation: "changes", reason: "Unavailable" })
    yield* faults.next("changes", { _tag: "LoseRequest" })
    const { heard } = yield* listen(store)
    yield* write(behind, 1)
    assert.deepStrictEqual(heard, [])
  })

  it.effect("is the last one where the store's changes end", () =>
    Effect.gen(function*() {
      const store = yield* CircuitStore
      const { store: faulty } = yield* Effect.provideService(FaultyStore.make(), CircuitStore, {
        ...store,
        changes: Stream.make(changed(1), changed(2))
      })
      const { fiber, heard } = yield* listen(faulty)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(heard, [changed(1), changed(2)])
    }).pipe(Effect.provide(CircuitStore.layerMemory)))

  it.effect("is not to be had from a store that can't tell", () =>
    Effect.gen(function*() {
      const store = yield* CircuitStore
      const { store: faulty } = yield* Effect.provideService(FaultyStore.make(), CircuitStore, {
        ...store,
        changes: undefined
      })
      assert.isUndefined(faulty.changes)
    }).pipe(Effect.provide(CircuitStore.layerMemory)))
})

describe("what a test says of a faulty store", () => {
  test("is for so many operations of a kind and a key, in the order in which it was said", function*(stage) {
    const { faults, store } = stage
    const outcome = (key: string) =>
      Effect.match(store.read(key), { onFailure: ({ reason }) => reason, onSuccess: () => "answered" as const })
    yield* faults.failNext("read", { times: 0, reason: "Corrupt" })
    yield* faults.failNext("read", { key: "other", reason: "Denied" })
    yield* faults.failNext("read", { times: 2, reason: "Timeout" })
    yield* faults.failNext("read", { reason: "Throttled" })
    assert.strictEqual((yield* store.replace(key, undefined, record(1)))._tag, "Replaced")
    const outcomes: Array<string> = []
    for (const name of [key, key, "other", key, "other"]) outcomes.push(yield* outcome(name))
    assert.deepStrictEqual(outcomes, ["Timeout", "Timeout", "Denied", "Throttled", "answered"])
  })

  test("is one function that sees each operation", function*({ faults, store }) {
    const seen: Array<string> = []
    yield* faults.decide(({ count, key, kind }) => {
      seen.push(`${kind} ${key} ${count}`)
      return count === 2 ? { _tag: "Fail" } : { _tag: "Deliver" }
    })
    yield* store.read(key)
    assert.strictEqual((yield* Effect.flip(store.read(key))).reason, "Unavailable")
    yield* store.read("other")
    yield* store.replace(key, undefined, record(1))
    yield* Stream.runDrain(store.list("q"))
    assert.deepStrictEqual(seen, ["read quotes 1", "read quotes 2", "read other 1", "replace quotes 1", "list q 1"])
  })

  test("may be a partition, until it heals, of which subscribers are told", function*({ behind, faults, held, store }) {
    const { heard } = yield* listen(store)
    yield* faults.partition
    yield* faults.failNext("read", { reason: "Denied" })
    const write = yield* begin(store.replace(key, undefined, record(1)))
    yield* behind.replace("other", undefined, record(1))
    yield* TestClock.adjust("1 day")
    assert.isUndefined(write.pollUnsafe())
    yield* faults.heal
    yield* faults.heal
    yield* settled
    assert.isUndefined(write.pollUnsafe())
    assert.isUndefined(yield* held)
    assert.deepStrictEqual(heard, [{ _tag: "Missed" }])
    assert.strictEqual((yield* Effect.flip(store.read(key))).reason, "Denied", "as was said for the next read")
    yield* Fiber.interrupt(write)
  })

  test("may be a pause, after which everything arrives in order", function*({ behind, faults, store }) {
    const { heard } = yield* listen(store)
    yield* faults.pause
    const fibers = [
      yield* begin(store.replace(key, undefined, record(1))),
      yield* begin(store.replace(key, record(1), record(2))),
      yield* begin(store.replace(key, undefined, record(3)))
    ]
    yield* behind.replace("other", undefined, record(1))
    yield* settled
    yield* TestClock.adjust("1 day")
    assert.deepStrictEqual(heard, [])
    assert.isUndefined((yield* behind.read(key)).record)
    yield* faults.resume
    const answers = yield* Effect.forEach(fibers, Fiber.join)
    yield* settled
    assert.deepStrictEqual(answers.map(({ _tag }) => _tag), ["Replaced", "Replaced", "Conflict"])
    assert.deepStrictEqual(heard, [changed(1, "other"), changed(1), changed(2)])
    assert.deepStrictEqual((yield* store.read(key)).record, record(2))
  })

  test("is counted, whatever became of it", function*({ faults, store }) {
    yield* faults.failNext("read")
    yield* Effect.ignore(store.read(key))
    yield* store.read(key)
    yield* store.read("other")
    yield* faults.partition
    yield* Fiber.interrupt(yield* begin(store.replace(key, undefined, record(1))))
    assert.strictEqual(yield* faults.count(), 4)
    assert.strictEqual(yield* faults.count("read"), 3)
    assert.strictEqual(yield* faults.count("read", key), 2)
    assert.strictEqual(yield* faults.count(undefined, key), 3)
    assert.strictEqual(yield* faults.count("list"), 0)
  })

  it.effect("is said to one instance of a fleet, and not to others", () =>
    Effect.gen(function*() {
      const [one, other] = yield* Effect.all([FaultyStore.make(), FaultyStore.make()])
      yield* one.partition
      const lost = yield* begin(one.store.replace(key, undefined, record(1)))
      assert.strictEqual((yield* other.store.replace(key, undefined, record(2)))._tag, "Replaced")
      yield* one.heal
      assert.deepStrictEqual((yield* one.store.read(key)).record, record(2))
      yield* Fiber.interrupt(lost)
    }).pipe(Effect.provide(CircuitStore.layerMemory)))

  it.effect("is said through a layer, too", () =>
    Effect.gen(function*() {
      const faults = yield* FaultyStore
      const store = yield* CircuitStore
      assert.strictEqual((yield* Effect.flip(store.read(key))).reason, "Timeout")
      assert.strictEqual(faults.store, store)
    }).pipe(
      Effect.provide(
        Layer.provide(FaultyStore.layer(() => ({ _tag: "Fail", reason: "Timeout" })), CircuitStore.layerMemory)
      )
    ))
})

describe("chances", () => {
  const seeded = (seed: string) =>
    Effect.runSync(Effect.map(Random.Random, (random) => random).pipe(Random.withSeed(seed)))

  const operation: Fate.Operation = { kind: "read", key, count: 1 }

  const draw = (decide: Fate.Decide, times: number) => Array.from({ length: times }, () => decide(operation))

  const odds: Fate.Odds = { fail: 0.1, loseRequest: 0.2, loseAnswer: 0.3, duplicate: 0.15, maxDelay: "2 seconds" }

  it("are the same for the same seed, and others for another", () => {
    assert.deepStrictEqual(draw(Fate.chances(seeded("a"), odds), 100), draw(Fate.chances(seeded("a"), odds), 100))
    assert.notDeepEqual(draw(Fate.chances(seeded("a"), odds), 100), draw(Fate.chances(seeded("b"), odds), 100))
  })

  it("are as often as they are said to be", () => {
    const fates = draw(Fate.chances(seeded("a"), odds), 10_000)
    const share = (tag: Fate.Fate["_tag"]) => fates.filter(({ _tag }) => _tag === tag).length / fates.length
    assert.closeTo(share("Fail"), 0.1, 0.02)
    assert.closeTo(share("LoseRequest"), 0.2, 0.02)
    assert.closeTo(share("LoseAnswer"), 0.3, 0.02)
    assert.closeTo(share("Duplicate"), 0.15, 0.02)
    assert.closeTo(share("Deliver"), 0.25, 0.02)
  })

  it("spread delays evenly, up to the longest", () => {
    const delays = draw(Fate.chances(seeded("a"), { maxDelay: "2 seconds" }), 10_000).flatMap((fate) =>
      fate._tag === "Deliver" ? [Number(fate.requestDelay), Number(fate.answerDelay)] : []
    )
    assert.strictEqual(delays.length, 20_000)
    assert.isTrue(delays.every((delay) => delay >= 0 && delay < 2000))
    assert.closeTo(delays.reduce((sum, delay) => sum + delay) / delays.length, 1000, 20)
  })

  it("draw equally many numbers whatever comes out", () => {
    const delayOf = (fate: Fate.Fate) =>
      fate._tag === "Deliver" ? fate.requestDelay : fate._tag === "Duplicate" ? fate.again : 0
    const some = draw(Fate.chances(seeded("a"), { duplicate: 0.5, maxDelay: 1000 }), 50)
    assert.deepStrictEqual(some.map(delayOf), draw(Fate.chances(seeded("a"), { maxDelay: 1000 }), 50).map(delayOf))
  })

  it("deliver everything if nothing is said, at once", () => {
    assert.deepStrictEqual(
      draw(Fate.chances(seeded("a"), {}), 3),
      Array.from({ length: 3 }, () => ({ _tag: "Deliver", requestDelay: 0, answerDelay: 0 }))
    )
  })

  it("are refused where they can't be", () => {
    for (const odds of [{ fail: -0.1 }, { fail: Number.NaN }, { fail: 0.6, duplicate: 0.5 }]) {
      assert.throws(() => Fate.chances(seeded("a"), odds), RangeError, "at most 1 together")
    }
    assert.doesNotThrow(() => Fate.chances(seeded("a"), { fail: 0.7, loseRequest: 0.2, loseAnswer: 0.1 }))
  })
})
