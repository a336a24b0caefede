/** The store of Effect's breaker in DynamoDB, beside Effect's own, and where several processes share it. */
import { GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb"
import { assert } from "@effect/vitest"
import { DynamoClient, DynamoStore, EffectCircuitBreakerStore } from "@reclose/dynamodb"
import {
  Cause,
  Clock,
  Config,
  ConfigProvider,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  References,
  Scope
} from "effect"
import * as EffectBreaker from "effect/persistence/CircuitBreaker"
import { TestClock } from "effect/testing"
import { error, type FakeDynamo, fakeDynamo, type FakeRequest, type Reply } from "../FakeDynamo.ts"
import {
  clientOf,
  makeTable,
  onEachServer,
  pushing,
  recordOf,
  replace,
  Server,
  serverClient,
  waitUntil
} from "../support.ts"
import { idleTimeToLive, makeActor, openFor, scenarios, type Store } from "./scenarios.ts"

type Options = Parameters<typeof EffectCircuitBreakerStore.layer>[0]

/** A store as another process would have it: with a client of its own. */
const storeOn = (endpoint: string, options: Options): Effect.Effect<Store, never, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) =>
    Effect.map(
      Layer.buildWithScope(EffectCircuitBreakerStore.layer(options).pipe(Layer.provide(clientOf(endpoint))), scope),
      (context) => EffectBreaker.CircuitBreakerStore.pipe(Effect.provide(context), Effect.runSync)
    ))

/** Of the machine, for what waits for a real server. */
const liveClock = Effect.runSync(Clock.Clock)

const tableName = Effect.provide(makeTable, serverClient)

/**
 * A store of a real server that goes by the test's own clock, behind an endpoint that may do with a request what it likes
 * and hands on the others.
 */
const meddled = Effect.fnUntraced(function*(
  meddle: (request: FakeRequest, index: number) => Reply | undefined,
  options: Omit<Options, "tableName"> = {}
) {
  const { endpoint } = yield* Server
  const clock = yield* Clock.Clock
  const table = yield* Effect.provideService(tableName, Clock.Clock, liveClock)
  const date = () => new Date(clock.currentTimeMillisUnsafe()).toUTCString()
  const forward = () => ({ _tag: "Forward", endpoint, date: date() }) as const
  const fake = yield* fakeDynamo((request, index) => meddle(request, index) ?? forward())
  return { fake, table, store: yield* storeOn(fake.endpoint, { tableName: table, ...options }) }
})

/** A store in a table of its own. */
const freshStore = (options: Omit<Options, "tableName"> = {}) =>
  Effect.map(meddled(() => undefined, options), ({ store }) => store)

/** Runs a test on a clock that it moves by itself, far from the past, which servers drop. */
const moved = <A, E, R>(test: Effect.Effect<A, E, R>) =>
  Effect.andThen(TestClock.setTime(4_000_000_000_000), test).pipe(Effect.provide(TestClock.layer()))

const one = EffectBreaker.consecutive(1)

const settle = (
  store: Store,
  admission: EffectBreaker.Admission,
  outcome: "Success" | "Failure" | "Ignored",
  tripPolicy: EffectBreaker.TripPolicy = one
) => store.record({ key: "a", generation: admission.generation, outcome, tripPolicy, openFor })

/** Opens the circuit and waits until its opening is over. */
const opened = Effect.fnUntraced(function*(store: Store) {
  yield* settle(store, yield* Effect.scoped(store.admit("a")), "Failure")
  yield* TestClock.adjust("450 millis")
})

const written = ({ requests }: FakeDynamo) => requests.filter(({ action }) => action === "UpdateItem").length

const reasonOf = <A, R>(effect: Effect.Effect<A, EffectBreaker.CircuitBreakerError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

onEachServer("the store of Effect's breaker", (it) => {
  for (const [name, { play, policy }] of Object.entries(scenarios)) {
    it.effect(`shows what Effect's own store shows: ${name}`, () =>
      Effect.gen(function*() {
        const watch = Effect.fnUntraced(function*(store: Store) {
          const actor = yield* makeActor(store, policy)
          yield* play(actor)
          return actor.log
        })
        const theirs = Effect.flatMap(EffectBreaker.CircuitBreakerStore, watch).pipe(
          Effect.provide(EffectBreaker.layerStoreMemory({ idleTimeToLive }))
        )
        const expected = yield* moved(theirs)
        const actual = yield* moved(Effect.flatMap(freshStore({ idleTimeToLive }), watch))
        assert.isAbove(expected.length, 0)
        assert.deepStrictEqual(actual, expected)
      }).pipe(Effect.scoped))
  }

  it.effect("counts each of many failures at once, in two processes", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Server
      const table = yield* tableName
      const stores = [yield* storeOn(endpoint, { tableName: table }), yield* storeOn(endpoint, { tableName: table })]
      const policy = EffectBreaker.consecutive(100)
      const fail = (store: Store) =>
        Effect.flatMap(store.admit("a"), (admission) => settle(store, admission, "Failure", policy))
      const calls = stores.flatMap((store) => Array.from({ length: 50 }, () => fail(store)))
      const last = calls.pop() ?? Effect.die("none")
      const transitions = yield* Effect.all(calls, { concurrency: "unbounded" })
      assert.deepStrictEqual(transitions.filter((transition) => transition !== undefined), [])
      assert.strictEqual((yield* last)?.to, "Open")
      for (const store of stores) assert.strictEqual((yield* reasonOf(store.admit("a")))._tag, "CircuitOpen")
    }).pipe(Effect.scoped))

  it.effect("lets one probe through of all that two processes would send", () =>
    Effect.gen(function*() {
      const { fake, store, table } = yield* meddled(() => undefined)
      yield* opened(store)
      const results = yield* Effect.forEach(
        [store, yield* storeOn(fake.endpoint, { tableName: table })].flatMap((store) =>
          Array.from({ length: 20 }, () => store)
        ),
        (store) => Effect.exit(store.admit("a")),
        { concurrency: "unbounded" }
      ).pipe(pushing("1 millis"))
      const admitted = results.flatMap((exit) => Exit.isSuccess(exit) ? [exit.value] : [])
      assert.deepStrictEqual(admitted.map(({ probe, transition }) => [probe, transition?.to]), [[true, "HalfOpen"]])
    }).pipe(Effect.scoped, moved))

  it.effect("asks little of the table: nothing is written for a healthy circuit, and many calls are one", () =>
    Effect.gen(function*() {
      const { fake, store } = yield* meddled(() => undefined)
      const call = Effect.flatMap(store.admit("a"), (admission) => settle(store, admission, "Success"))
      yield* call
      const before = fake.requests.length
      yield* Effect.replicateEffect(call, 10)
      assert.deepStrictEqual(new Set(fake.requests.slice(before).map(({ action }) => action)), new Set(["GetItem"]))
      const crowd = fake.requests.length
      const rate = EffectBreaker.rate({ size: 100 })
      const counted = Effect.flatMap(store.admit("a"), (admission) => settle(store, admission, "Failure", rate))
      const all = yield* Effect.all(Array.from({ length: 100 }, () => counted), { concurrency: "unbounded" })
      assert.strictEqual(all.filter((transition) => transition?.to === "Open").length, 1)
      assert.isBelow(fake.requests.length - crowd, 20)
    }).pipe(Effect.scoped))

  it.effect("gives the place of a probe that shows no sign of life to the next, and ignores what it says then", () =>
    Effect.gen(function*() {
      const store = yield* freshStore({ probeLease: "300 millis" })
      yield* opened(store)
      // Its scope is closed, so nobody renews its lease.
      const lost = yield* Effect.scoped(store.admit("a"))
      assert.strictEqual((yield* reasonOf(store.admit("a")))._tag, "CircuitHalfOpen")
      yield* TestClock.adjust("350 millis")
      const state = yield* store.state("a")
      assert.strictEqual(state._tag === "HalfOpen" && state.probing, false)
      const next = yield* store.admit("a")
      assert.deepStrictEqual([next.probe, next.transition], [true, undefined])
      assert.isAbove(next.generation, lost.generation)
      assert.isUndefined(yield* settle(store, lost, "Failure"))
      assert.strictEqual((yield* settle(store, next, "Success"))?.to, "Closed")
    }).pipe(Effect.scoped, moved))

  it.effect("renews the lease of a probe for as long as it runs", () =>
    Effect.gen(function*() {
      const { fake, store } = yield* meddled(() => undefined, { probeLease: "300 millis" })
      yield* opened(store)
      const scope = yield* Scope.make()
      yield* Scope.provide(store.admit("a"), scope)
      for (let renewal = 0; renewal < 9; renewal++) {
        const writes = written(fake)
        yield* TestClock.adjust("100 millis")
        yield* waitUntil(() => written(fake) > writes)
        assert.strictEqual((yield* reasonOf(store.admit("a")))._tag, "CircuitHalfOpen")
      }
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("400 millis")
      assert.isTrue((yield* store.admit("a")).probe)
    }).pipe(Effect.scoped, moved))

  it.effect("tells of a renewal that failed, and renews again", () =>
    Effect.gen(function*() {
      let refuse = 0
      const { fake, store } = yield* meddled(() => refuse-- > 0 ? error("AccessDeniedException") : undefined, {
        probeLease: "600 millis"
      })
      yield* opened(store)
      const told: Array<unknown> = []
      const logger = Logger.make(({ message }) => void told.push(message))
      yield* store.admit("a").pipe(Effect.provide(Logger.layer([logger])))
      refuse = 1
      yield* TestClock.adjust("200 millis")
      yield* waitUntil(() => told.length > 0)
      const writes = written(fake)
      yield* TestClock.adjust("200 millis")
      yield* waitUntil(() => written(fake) > writes)
      yield* TestClock.adjust("500 millis")
      assert.strictEqual((yield* reasonOf(store.admit("a")))._tag, "CircuitHalfOpen")
      assert.include(String(told[0]), "CircuitBreaker failed to renew a probe lease")
    }).pipe(Effect.scoped, moved))

  it.effect("counts a call once whose write was done and whose answer was lost", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Server
      let lose = 0
      const { fake, store } = yield* meddled(({ action }) =>
        action === "UpdateItem" && lose-- > 0 ? { _tag: "Lose", endpoint } : undefined
      )
      const two = EffectBreaker.consecutive(2)
      const admission = yield* store.admit("a")
      lose = 1
      const before = fake.requests.length
      assert.isUndefined(yield* settle(store, admission, "Failure", two))
      assert.strictEqual(fake.requests.slice(before).filter(({ action }) => action === "UpdateItem").length, 2)
      assert.strictEqual((yield* store.state("a"))._tag, "Closed")
      assert.strictEqual((yield* settle(store, admission, "Failure", two))?.to, "Open")
    }).pipe(Effect.scoped))

  it.effect("counts a call once whose answer was lost, also where another process has written since", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Server
      const three = EffectBreaker.consecutive(3)
      let meanwhile: (() => Promise<unknown>) | undefined
      const { fake, store, table } = yield* meddled(({ action }) => {
        if (action !== "UpdateItem" || meanwhile === undefined) return undefined
        const lost: Reply = { _tag: "Lose", endpoint, meanwhile }
        meanwhile = undefined
        return lost
      })
      const other = yield* storeOn(fake.endpoint, { tableName: table })
      const admission = yield* store.admit("a")
      meanwhile = () => Effect.runPromise(settle(other, admission, "Failure", three))
      assert.isUndefined(yield* settle(store, admission, "Failure", three))
      // Two of them have failed, and not three.
      assert.strictEqual((yield* store.state("a"))._tag, "Closed")
      assert.strictEqual((yield* settle(other, admission, "Failure", three))?.to, "Open")
    }).pipe(Effect.scoped))

  it.effect("never gives a circuit that was dropped a generation that it had before", () =>
    Effect.gen(function*() {
      const store = yield* freshStore({ idleTimeToLive: "50 millis" })
      const before = yield* store.admit("a")
      yield* TestClock.adjust("100 millis")
      const after = yield* store.admit("a")
      assert.isAbove(after.generation, before.generation)
      assert.isUndefined(yield* settle(store, before, "Failure"))
    }).pipe(Effect.scoped, moved))

  it.effect("shares a table with circuits of ours, and leaves alone what is none of its own", () =>
    Effect.gen(function*() {
      const table = yield* tableName
      const { endpoint } = yield* Server
      const store = yield* storeOn(endpoint, { tableName: table })
      yield* store.admit("a")
      yield* Effect.provide(
        replace("a", undefined, recordOf(1)),
        DynamoStore.layer({ tableName: table }).pipe(Layer.provide(serverClient))
      )
      assert.strictEqual((yield* store.state("a"))._tag, "Closed")
      const client = yield* DynamoClient
      for (const item of [{ version: { N: "1" }, record: { S: "x" } }, { version: { N: "1" }, breaker: { S: "x" } }]) {
        const Item = { key: { S: "circuitbreaker:other" }, ...item }
        yield* Effect.promise(() => client.send(new PutItemCommand({ TableName: table, Item })))
        const reason = yield* reasonOf(store.admit("other"))
        assert.strictEqual(reason._tag, "CircuitBreakerStoreError")
        assert.include(String(reason.message), "it is left alone")
        const held = yield* Effect.promise(() =>
          client.send(new GetItemCommand({ TableName: table, Key: { key: Item.key }, ConsistentRead: true }))
        )
        assert.deepStrictEqual(held.Item, Item)
      }
    }).pipe(Effect.provide(serverClient), Effect.scoped))

  it.effect("gives up on a server that does not answer, so that the breaker lets the call through", () =>
    Effect.gen(function*() {
      const fake = yield* fakeDynamo(() => ({ _tag: "Silence" }))
      const store = yield* storeOn(fake.endpoint, { tableName: "circuits", timeout: "100 millis" })
      const reason = yield* reasonOf(store.state("a"))
      assert.include(String(reason.message), "Failed to read the circuit of circuit \"a\"")
      assert.include(String(reason.message), "not done after 100 milliseconds")
      const breaker = yield* EffectBreaker.make({ tripPolicy: one, openDuration: "1 minute" }).pipe(
        Effect.provideService(EffectBreaker.CircuitBreakerStore, store)
      )
      const answer = yield* breaker.execute(Effect.succeed("answer"), { key: "a" }).pipe(
        Effect.provideService(References.UnhandledLogLevel, undefined)
      )
      assert.strictEqual(answer, "answer")
      yield* waitUntil(() => fake.aborted() === fake.requests.length)
    }).pipe(Effect.scoped))

  it.effect("gives up on a circuit that others write all the time", () =>
    Effect.gen(function*() {
      const { fake, store } = yield* meddled(
        ({ action }) => action === "UpdateItem" ? error("ConditionalCheckFailedException") : undefined,
        { timeout: "1 minute" }
      )
      const reason = yield* reasonOf(store.admit("a"))
      assert.include(String(reason.message), "too many processes")
      assert.strictEqual(fake.requests.length, 22)
    }).pipe(Effect.scoped))

  it.effect("refuses an opening that it can't hold", () =>
    Effect.gen(function*() {
      const store = yield* freshStore()
      const admission = yield* store.admit("a")
      const settlement = { key: "a", generation: admission.generation, outcome: "Failure", tripPolicy: one } as const
      const reason = yield* reasonOf(store.record({ ...settlement, openFor: Duration.infinity }))
      assert.include(String(reason.message), "at most 2^50")
      yield* store.record({ ...settlement, openFor: Duration.millis(2 ** 50) })
      assert.strictEqual((yield* reasonOf(store.admit("a")))._tag, "CircuitOpen")
    }).pipe(Effect.scoped))

  it.effect("dies of options that it can't keep", () =>
    Effect.gen(function*() {
      for (const name of ["probeLease", "idleTimeToLive", "timeout"]) {
        const exit = yield* Effect.exit(storeOn("http://127.0.0.1:1", { tableName: "t", [name]: Duration.infinity }))
        const defect = Exit.isFailure(exit) && Cause.squash(exit.cause)
        assert.instanceOf(defect, RangeError)
        assert.include(String(defect), name)
      }
    }).pipe(Effect.scoped))

  it.effect("takes its options from configuration", () =>
    Effect.gen(function*() {
      const table = yield* tableName
      const configured = EffectCircuitBreakerStore.layerConfig({
        tableName: Config.String("TABLE"),
        prefix: Config.String("PREFIX")
      }).pipe(Layer.provide(serverClient))
      yield* Effect.scoped(EffectBreaker.CircuitBreakerStore.use((store) => store.admit("a"))).pipe(
        Effect.provide(configured),
        Effect.provideService(
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromEnv({ env: { TABLE: table, PREFIX: "app:" } })
        )
      )
      const client = yield* DynamoClient
      const held = yield* Effect.promise(() =>
        client.send(new GetItemCommand({ TableName: table, Key: { key: { S: "app:a" } } }))
      )
      assert.strictEqual(held.Item?.["phase"]?.S, "Closed")
    }).pipe(Effect.provide(serverClient)))

  it.effect("ends with its layer: nobody waits for one that is gone", () =>
    Effect.gen(function*() {
      const fake = yield* fakeDynamo(() => ({ _tag: "Silence" }))
      const store = yield* Effect.scoped(storeOn(fake.endpoint, { tableName: "circuits", timeout: "1 minute" }))
      const late = yield* Effect.exit(Effect.timeout(Effect.scoped(store.admit("a")), "5 seconds"))
      assert.isTrue(Exit.isFailure(late) && Cause.hasInterruptsOnly(late.cause))
      const scope = yield* Scope.make()
      const busy = yield* Scope.provide(storeOn(fake.endpoint, { tableName: "circuits", timeout: "1 minute" }), scope)
      const call = Effect.forkChild(Effect.scoped(busy.admit("a")), { startImmediately: true })
      const first = yield* call
      yield* waitUntil(() => fake.requests.length === 1)
      const second = yield* call
      yield* Scope.close(scope, Exit.void)
      for (const exit of yield* Fiber.awaitAll([first, second])) assert.isTrue(Exit.isFailure(exit))
    }).pipe(Effect.scoped))

  it.effect("does nothing any more for who left before it began", () =>
    Effect.gen(function*() {
      const { fake, store } = yield* meddled(() => undefined)
      const fiber = yield* Effect.forkChild(Effect.scoped(store.admit("a")), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      yield* store.state("b")
      assert.deepStrictEqual(fake.requests.map(({ action }) => action), ["GetItem"])
    }).pipe(Effect.scoped))
})
