import { assert, describe, it } from "@effect/vitest"
import {
  type Breaker,
  CircuitBreaker,
  CircuitStore,
  Outcome,
  type Policy,
  PolicyError,
  TripRule,
  withBreaker
} from "@reclose/core"
import { FaultyStore } from "@reclose/core/testing"
import { BeforeResponse, EmbeddedMetrics, LambdaBreaker } from "@reclose/lambda"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { type MetricLine, metricsOf, parseLine } from "./embeddedFormat.ts"

const { dimensions, names } = EmbeddedMetrics

const policy: Policy.Policy = { tripRule: TripRule.consecutive(2), openDuration: "10 seconds" }

interface Written {
  readonly lines: ReadonlyArray<MetricLine>
  readonly service: MetricLine | undefined
  readonly circuit: (key: string) => MetricLine | undefined
}

/** A function's breaker and metrics, and what an invocation of it writes. */
const start = (
  options: Partial<EmbeddedMetrics.Options> = {},
  store: Layer.Layer<CircuitStore> = CircuitStore.layerMemory
) =>
  Effect.gen(function*() {
    const written: Array<string> = []
    const scope = yield* Scope.make()
    const context = yield* EmbeddedMetrics.layer({ service: "worker", ...options }).pipe(
      Layer.provideMerge(LambdaBreaker.layer(policy)),
      Layer.provideMerge(BeforeResponse.layer),
      Layer.provideMerge(store),
      Layer.provide(Layer.succeed(EmbeddedMetrics.Sink, {
        write: (lines) => Effect.sync(() => void written.push(...lines))
      })),
      Layer.buildWithScope(scope)
    )
    const take = (): Written => {
      const lines = written.splice(0).map(parseLine)
      return {
        lines,
        service: lines.find((line) => line["circuit"] === undefined),
        circuit: (key) => lines.find((line) => line["circuit"] === key)
      }
    }
    const respond = Effect.flatMap(BeforeResponse, ({ tasks }) =>
      Effect.flatMap(tasks, Effect.forEach(({ run }) => run, { discard: true })))
    const invoke = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.exit(effect).pipe(Effect.andThen(respond), Effect.map(take), Effect.provideContext(context))
    return {
      invoke,
      /** Work that goes on without an invocation. */
      within: Effect.provideContext(context),
      /** What a test does to a store that can fail. */
      storeFaults: <A>(act: (faults: FaultyStore["Service"]) => Effect.Effect<A>) =>
        Effect.flatMap(Effect.fromOption(Context.getOption(context, FaultyStore)), act),
      end: Effect.map(Scope.close(scope, Exit.void), take)
    }
  })

const succeed = (key = "quotes") => Effect.succeed(42).pipe(withBreaker(key))
const fail = (key = "quotes") => Effect.exit(Effect.fail("down").pipe(withBreaker(key)))
const trip = (key = "quotes") => Effect.andThen(fail(key), fail(key))
const steer = (act: (breaker: Breaker) => Effect.Effect<unknown, unknown>) => Effect.flatMap(CircuitBreaker, act)

const none = {
  CircuitOpened: 0,
  CircuitClosed: 0,
  CircuitHalfOpened: 0,
  CircuitReopened: 0,
  RecoveryFailed: 0,
  CallsSucceeded: 0,
  CallsFailed: 0,
  CallsRejected: 0,
  CallsIgnored: 0,
  OpenCircuits: 0,
  StoreFailures: 0
}

const serviceMetrics = ({ service }: Written) => service === undefined ? undefined : metricsOf(service)
const circuitMetrics = (written: Written, key = "quotes") => {
  const line = written.circuit(key)
  return line === undefined ? undefined : metricsOf(line)
}
const transitionsOf = (line: MetricLine | undefined) =>
  (line?.["transitions"] ?? []) as ReadonlyArray<Record<string, unknown>>

describe("metrics of an invocation", () => {
  it.effect("have the names that alarms are built on", () =>
    Effect.sync(() => {
      assert.deepStrictEqual(Object.values(names).sort(), Object.keys(none).sort())
      assert.deepStrictEqual(dimensions, { service: "service", circuit: "circuit" })
      assert.strictEqual(EmbeddedMetrics.namespace, "Reclose")
    }))

  it.effect("count its calls by how they ended, for the service and for each circuit", () =>
    Effect.gen(function*() {
      const { invoke } = yield* start()
      const written = yield* invoke(Effect.all([
        succeed(),
        succeed(),
        fail(),
        Effect.succeed(1).pipe(withBreaker({ key: "quotes", classify: () => Outcome.ignored })),
        trip("news"),
        Effect.exit(succeed("news"))
      ]))
      assert.deepStrictEqual(serviceMetrics(written), {
        ...none,
        CircuitOpened: 1,
        CallsSucceeded: 2,
        CallsFailed: 3,
        CallsRejected: 1,
        CallsIgnored: 1,
        OpenCircuits: 1
      })
      assert.deepStrictEqual(circuitMetrics(written), { CallsSucceeded: 2, CallsFailed: 1, CallsIgnored: 1 })
      assert.deepStrictEqual(circuitMetrics(written, "news"), {
        CircuitOpened: 1,
        CallsFailed: 2,
        CallsRejected: 1,
        OpenCircuits: 1
      })
    }))

  it.effect("stand in the namespace and under the dimensions of their service and circuit", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(1_700_000_000_000)
      const { invoke } = yield* start({ namespace: "Shop/Circuits" })
      const { lines } = yield* invoke(succeed())
      const [service, circuit] = lines
      assert.strictEqual(lines.length, 2)
      assert.deepStrictEqual(service?._aws.CloudWatchMetrics[0]?.Dimensions, [["service"]])
      assert.deepStrictEqual(circuit?._aws.CloudWatchMetrics[0]?.Dimensions, [["service", "circuit"]])
      for (const line of lines) {
        assert.strictEqual(line._aws.Timestamp, 1_700_000_000_000)
        assert.strictEqual(line._aws.CloudWatchMetrics[0]?.Namespace, "Shop/Circuits")
        assert.strictEqual(line["service"], "worker")
        assert.isTrue(line._aws.CloudWatchMetrics[0]?.Metrics.every(({ Unit }) => Unit === "Count"))
      }
      assert.strictEqual(circuit?.["circuit"], "quotes")
    }))

  it.effect("count each invocation's own calls", () =>
    Effect.gen(function*() {
      const { invoke } = yield* start()
      yield* invoke(Effect.all([succeed(), succeed(), fail()]))
      const written = yield* invoke(succeed())
      assert.deepStrictEqual(circuitMetrics(written), { CallsSucceeded: 1 })
    }))

  it.effect("are none if no circuit was used", () =>
    Effect.gen(function*() {
      const { invoke } = yield* start()
      yield* invoke(succeed())
      assert.deepStrictEqual((yield* invoke(Effect.void)).lines, [])
    }))

  it.effect("go on telling of an open circuit that nobody calls", () =>
    Effect.gen(function*() {
      const { invoke } = yield* start()
      yield* invoke(trip())
      const written = yield* invoke(Effect.void)
      assert.deepStrictEqual(serviceMetrics(written), { ...none, OpenCircuits: 1 })
      assert.deepStrictEqual(circuitMetrics(written), { OpenCircuits: 1 })
    }))

  it.effect("count a half-open circuit as open while its probes are under way, since it rejects", () =>
    Effect.gen(function*() {
      const { invoke, within } = yield* start()
      yield* invoke(trip())
      yield* TestClock.adjust("10 seconds")
      yield* Effect.forkScoped(within(Effect.never.pipe(withBreaker("quotes"))), { startImmediately: true })
      yield* TestClock.adjust(0)
      assert.deepInclude(circuitMetrics(yield* invoke(Effect.void)), { OpenCircuits: 1 })
    }))

  it.effect("tell of each change of phase, when it happened and why", () =>
    Effect.gen(function*() {
      const { invoke } = yield* start()
      const opened = yield* invoke(trip())
      assert.deepStrictEqual(transitionsOf(opened.circuit("quotes")), [
        { circuit: "quotes", from: "Closed", to: "Open", reason: "Tripped", time: 0 }
      ])
      yield* TestClock.adjust("10 seconds")
      const failed = yield* invoke(fail())
      assert.deepStrictEqual(serviceMetrics(failed), {
        ...none,
        CircuitOpened: 1,
        CircuitHalfOpened: 1,
        RecoveryFailed: 1,
        CallsFailed: 1,
        OpenCircuits: 1
      })
      assert.deepStrictEqual(
        transitionsOf(failed.circuit("quotes")).map(({ from, reason, to }) => [from, to, reason]),
        [["Open", "HalfOpen", "OpenElapsed"], ["HalfOpen", "Open", "ProbeFailed"]]
      )
      yield* TestClock.adjust("10 seconds")
      const closed = yield* invoke(succeed())
      assert.deepStrictEqual(circuitMetrics(closed), {
        CircuitHalfOpened: 1,
        CircuitClosed: 1,
        CallsSucceeded: 1
      })
    }))

  it.effect("hold what happened right before the response", () =>
    Effect.gen(function*() {
      const { invoke } = yield* start()
      // Nothing yields between the transition and the response.
      const written = yield* invoke(Effect.andThen(fail(), fail()))
      assert.strictEqual(written.service?.["CircuitOpened"], 1)
    }))

  it.effect("hold more events than a breaker keeps, if there was a moment between them", () =>
    Effect.gen(function*() {
      const { invoke } = yield* start()
      const flap = Effect.andThen(steer(({ reset }) => reset("quotes")), trip())
      const written = yield* invoke(Effect.repeat(Effect.andThen(flap, Effect.yieldNow), { times: 399 }))
      assert.strictEqual(written.service?.["CircuitOpened"], 400)
      assert.strictEqual(transitionsOf(written.circuit("quotes")).length, 20)
    }))

  it.effect("count what a container learned from others as nobody's, and tell of it", () =>
    Effect.gen(function*() {
      const store = Layer.succeedContext(yield* Layer.build(CircuitStore.layerMemory))
      const here = yield* start({}, store)
      const there = yield* start({}, store)
      yield* here.invoke(succeed())
      assert.strictEqual((yield* there.invoke(trip())).service?.["CircuitOpened"], 1)
      yield* TestClock.adjust("3 seconds")
      // Beside the first call after a while it asks, so it knows by the end of that invocation.
      const learned = yield* here.invoke(Effect.andThen(succeed(), Effect.yieldNow))
      const [transition] = transitionsOf(learned.circuit("quotes"))
      assert.deepInclude(transition, { to: "Open", reason: "Learned" })
      assert.deepStrictEqual(serviceMetrics(learned), { ...none, CallsSucceeded: 1, OpenCircuits: 1 })
    }))

  it.effect("do not count what a circuit would have done", () =>
    Effect.gen(function*() {
      const { invoke } = yield* start()
      const written = yield* invoke(Effect.andThen(steer(({ metricsOnly }) => metricsOnly("quotes")), trip()))
      assert.deepStrictEqual(serviceMetrics(written), { ...none, CallsFailed: 2 })
      assert.deepInclude(transitionsOf(written.circuit("quotes"))[0], { to: "Open", override: "MetricsOnly" })
    }))

  it.effect("count a circuit as open that an operator forced open", () =>
    Effect.gen(function*() {
      const { invoke } = yield* start()
      const written = yield* invoke(steer(({ forceOpen }) => forceOpen("quotes")))
      assert.deepStrictEqual(serviceMetrics(written), { ...none, OpenCircuits: 1 })
    }))

  it.effect("begin anew with a circuit that was reset or restored", () =>
    Effect.gen(function*() {
      const { invoke } = yield* start()
      yield* invoke(Effect.all([succeed(), succeed(), succeed()]))
      const restored = Effect.flatMap(CircuitBreaker, ({ restore, snapshot }) => Effect.flatMap(snapshot, restore))
      const written = yield* invoke(Effect.andThen(restored, succeed()))
      const calls = Number(written.service?.["CallsSucceeded"])
      assert.strictEqual(calls, 1)
    }))
})

describe("metrics of invocations at once", () => {
  it.effect("count each call once, whichever of them ends first", () =>
    Effect.gen(function*() {
      const turns = (count: number) => Effect.repeat(Effect.yieldNow, { times: count })
      for (let one = 0; one < 8; one++) {
        for (let other = 0; other < 8; other++) {
          const { invoke } = yield* start()
          const before = yield* invoke(Effect.replicateEffect(succeed(), 5))
          const during = yield* Effect.all([
            invoke(turns(one)),
            invoke(Effect.all([turns(other), trip("news"), turns(1), succeed()]))
          ], { concurrency: "unbounded" })
          const after = yield* invoke(succeed())
          const lines = [before, ...during, after].flatMap(({ lines }) => lines)
          const sum = (name: string) =>
            lines.reduce((sum, line) => line["circuit"] === undefined ? sum + Number(line[name]) : sum, 0)
          assert.deepStrictEqual([one, other, sum(names.callsSucceeded), sum(names.callsFailed)], [one, other, 7, 2])
        }
      }
    }))
})

describe("metrics of the store", () => {
  const faulty = FaultyStore.layer().pipe(Layer.provide(CircuitStore.layerMemory))

  it.effect("tell of a failing store in each invocation that uses it, until it answers again", () =>
    Effect.gen(function*() {
      const { invoke, storeFaults } = yield* start({}, faulty)
      const failures: Array<unknown> = []
      const note = ({ service }: Written) => void failures.push(service?.["StoreFailures"])
      note(yield* invoke(succeed()))
      yield* storeFaults(({ decide }) => decide(() => ({ _tag: "Fail" })))
      note(yield* invoke(fail()))
      note(yield* invoke(succeed()))
      yield* storeFaults(({ decide }) => decide(() => ({ _tag: "Deliver" })))
      yield* TestClock.adjust("1 minute")
      note(yield* invoke(succeed()))
      note(yield* invoke(succeed()))
      assert.deepStrictEqual(failures, [0, 1, 1, 0, 0])
    }))

  it.effect("tell of a store that can't be read when a key is used for the first time", () =>
    Effect.gen(function*() {
      const { invoke, storeFaults } = yield* start({}, faulty)
      yield* storeFaults(({ failNext }) => failNext("read"))
      const written = yield* invoke(succeed())
      assert.strictEqual(written.service?.["StoreFailures"], 1)
      assert.deepStrictEqual(circuitMetrics(written), { CallsSucceeded: 1, StoreFailures: 1 })
    }))
})

describe("how much is written", () => {
  it.effect("is bounded: what changed first, then what failed, then what was called most; all of it for the service", () =>
    Effect.gen(function*() {
      const { invoke } = yield* start({ maxCircuits: 3 })
      const written = yield* invoke(Effect.all([
        succeed("idle"),
        Effect.all([succeed("busy"), succeed("busy"), succeed("busy")]),
        fail("failing"),
        trip("open")
      ]))
      assert.deepStrictEqual(written.lines.map((line) => line["circuit"]), [undefined, "open", "failing", "busy"])
      assert.strictEqual(written.service?.["CallsSucceeded"], 4)
      assert.strictEqual(written.service?.["circuitsLeftOut"], 1)
    }))

  it.effect("may be the service alone", () =>
    Effect.gen(function*() {
      const { invoke } = yield* start({ maxCircuits: 0 })
      assert.strictEqual((yield* invoke(trip())).lines.length, 1)
    }))

  it.effect.each<[string, (key: string) => string | undefined]>([
    ["throws", () => {
      throw new Error("broken")
    }],
    // As JavaScript may.
    ["returns what is no text", () => 7 as unknown as string]
  ])("are written under the key where the function that names circuits %s", ([, circuit]) =>
    Effect.gen(function*() {
      const { invoke } = yield* start({ circuit })
      for (let i = 0; i < 2; i++) {
        const written = yield* invoke(succeed())
        assert.deepInclude(written.service, { CallsSucceeded: 1 })
        assert.deepInclude(written.circuit("quotes"), { CallsSucceeded: 1 })
      }
    }))

  it.effect("may leave out circuits, and add up those of one name", () =>
    Effect.gen(function*() {
      const { invoke } = yield* start({
        circuit: (key) => key.startsWith("customer/") ? "customers" : key === "secret" ? undefined : key
      })
      const written = yield* invoke(Effect.all([
        succeed("customer/1"),
        trip("customer/2"),
        trip("customer/3"),
        succeed("secret"),
        succeed("quotes")
      ]))
      assert.deepStrictEqual(circuitMetrics(written, "customers"), {
        CircuitOpened: 2,
        CallsSucceeded: 1,
        CallsFailed: 4,
        OpenCircuits: 2
      })
      assert.deepStrictEqual(
        transitionsOf(written.circuit("customers")).map(({ circuit }) => circuit),
        ["customer/2", "customer/3"]
      )
      assert.strictEqual(written.service?.["CallsSucceeded"], 3)
      assert.strictEqual(written.lines.length, 3)
    }))

  it.effect("fits what CloudWatch takes, with the longest keys and as many changes as are told", () =>
    Effect.gen(function*() {
      const key = "€".repeat(512)
      const { invoke } = yield* start()
      const flap = Effect.andThen(steer(({ reset }) => reset(key)), trip(key))
      const { lines } = yield* invoke(Effect.repeat(flap, { times: 30 }))
      assert.strictEqual(lines.length, 2)
      assert.isBelow(JSON.stringify(lines[1]).length, 64_000)
    }))
})

describe("options that can't be", () => {
  const mistakes = (options: EmbeddedMetrics.Options) =>
    EmbeddedMetrics.layer(options).pipe(
      Layer.provide(LambdaBreaker.layer()),
      Layer.provide([BeforeResponse.layer, CircuitStore.layerMemory]),
      Layer.build,
      Effect.scoped,
      Effect.flip
    )

  it.effect("are all named at once", () =>
    Effect.gen(function*() {
      const error = yield* mistakes({ service: " ", namespace: "AWS/Lambda", maxCircuits: 0.5 })
      assert.instanceOf(error, PolicyError)
      assert.deepStrictEqual(error.message.split("\n"), [
        `service is " ": it must be 1 to 255 characters that are not all blank`,
        `namespace is "AWS/Lambda": it must be 1 to 255 letters, digits, blanks and ".-_/#:", and not begin with "AWS/" or ":"`,
        "maxCircuits is 0.5: it must be a whole number from 0 to 1,000"
      ])
    }))
})

describe("the end of a container", () => {
  it.effect("writes what was not told yet", () =>
    Effect.gen(function*() {
      const { end, invoke, within } = yield* start()
      yield* invoke(succeed())
      yield* within(trip())
      assert.deepStrictEqual(circuitMetrics(yield* end), { CircuitOpened: 1, CallsFailed: 2, OpenCircuits: 1 })
    }))

  it.effect("writes nothing if all was told", () =>
    Effect.gen(function*() {
      const { end, invoke } = yield* start()
      yield* invoke(succeed())
      assert.deepStrictEqual((yield* end).lines, [])
    }))
})
