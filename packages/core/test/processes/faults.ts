/** What a real process under load comes to while its real store hangs, dies, is slow or hangs up. */
import { assert, type Vitest } from "@effect/vitest"
import { Context, Effect, type Scope } from "effect"
import type { Link } from "./Link.ts"
import { type Corner, heldOpen, join, say, succeed, trip } from "./Place.ts"
import { eventually, type Process } from "./Process.ts"
import { type LoadReport, showPercentiles, type Told } from "./Protocol.ts"

/** A store of a test's own, that it may break. */
export interface Breakable {
  /** The store, by the link and without it. */
  readonly linked: Corner
  readonly direct: Corner
  readonly link: Link
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  readonly kill: Effect.Effect<void>
  /** Starts it again, as empty as it was at first. */
  readonly restart: Effect.Effect<void>
}

export class Breakables extends Context.Service<Breakables, {
  readonly name: string
  readonly make: Effect.Effect<Breakable, never, Scope.Scope>
}>()("test/Breakables") {}

const storeTimeout = 1_000
const hydrateTimeout = 100
/** For a machine that has other work to do. */
const margin = 1_500

const loadedPolicy = {
  hydrateTimeout,
  storeTimeout,
  keys: { "load/*": { openDuration: "300 millis" }, "long/*": { openDuration: "10 minutes" } }
}

const load = { fibers: 20, keys: ["load/a", "load/b", "load/c", "load/d"], spell: 400 }

/** A process under load by the link, another one beside it, and what the load came to. */
const underLoad = Effect.fnUntraced(function*<E>(
  what: string,
  fault: (store: Breakable, loaded: Process, other: Process) => Effect.Effect<void, E, Scope.Scope>
) {
  const breakables = yield* Breakables
  const store = yield* breakables.make
  const [loaded, other] = yield* Effect.all(
    [join(store.linked, loadedPolicy), join(store.direct, loadedPolicy)],
    { concurrency: "unbounded" }
  )
  yield* loaded.ask("startLoad", load)
  yield* heldOpen(store.direct, "load/a")
  yield* fault(store, loaded, other)
  const report = yield* loaded.ask("stopLoad", null)
  yield* say(
    `${breakables.name} ${what}: ${JSON.stringify(report.ends)}, decided after ${showPercentiles(report.decided)}`
  )
  judge(report)
})

/** No call ended but as it wished or by a rejection, and none waited longer than it may wait for a store. */
const judge = ({ decided, ends, strange }: LoadReport) => {
  assert.deepStrictEqual(strange, [])
  for (const end of ["Success", "Failure", "CircuitOpen"]) assert.isAbove(ends[end] ?? 0, 10, end)
  assert.isBelow(decided.max, storeTimeout + hydrateTimeout + margin)
}

/** Lets a fault begin, opens a circuit that cannot be told of, lets the fault end, and sees all agree. */
const outage = (begin: (store: Breakable) => Effect.Effect<void>, end: (store: Breakable) => Effect.Effect<void>) =>
  Effect.fnUntraced(function*(store: Breakable, loaded: Process, other: Process) {
    const key = "long/during"
    yield* succeed(loaded, key)
    let mark = loaded.told.length
    yield* begin(store)
    yield* loaded.waitFor("a failure of the store", ({ event }) => event === "StoreFailed", mark)
    yield* trip(loaded, key)
    assert.strictEqual((yield* succeed(loaded, key)).why, "Tripped")
    yield* loaded.waitFor("a failure to tell", (told) => told.event === "StoreFailed" && told.key === key, mark)
    for (const to of ["Open", "Closed"]) {
      const isChange = (told: Told) => told.event === "Transition" && told.key.startsWith("load/") && told.to === to
      yield* loaded.waitFor(`circuits that change by themselves: ${to}`, isChange, loaded.told.length)
    }
    mark = loaded.told.length
    yield* end(store)
    yield* loaded.waitFor("a recovery", (told) => told.event === "StoreRecovered" && told.key === key, mark)
    yield* heldOpen(store.direct, key)
    yield* reaches(store, loaded, other)
  })

/** An opening in one process gets to another one. One that was between two connections when it was told of missed it. */
const reaches = (store: Breakable, from: Process, to: Process) => {
  let tries = 0
  return Effect.retry(
    Effect.gen(function*() {
      const key = `long/after-${tries++}`
      yield* succeed(to, key)
      yield* trip(from, key)
      yield* heldOpen(store.direct, key)
      yield* eventually(
        "the opening, elsewhere",
        Effect.map(to.ask("state", { key }), ({ phase }) => phase === "Open" || undefined)
      ).pipe(Effect.timeout("1 second"))
      assert.strictEqual((yield* succeed(to, key)).why, "Tripped")
    }),
    { times: 10 }
  )
}

export const faults = (it: Vitest.MethodsNonLive<Breakables>) => {
  it.effect("hangs", () =>
    underLoad(
      "hangs",
      outage(({ pause }) => Effect.andThen(pause, Effect.sleep("1 second")), ({ resume }) => resume)
    ), 60_000)

  it.effect(
    "is killed, and started anew with nothing in it",
    () => underLoad("is killed", outage(({ kill }) => kill, ({ restart }) => restart)),
    60_000
  )

  it.effect(
    "resets its connections, and takes no new ones for a while",
    () => underLoad("resets its connections", outage(({ link }) => link.cut, ({ link }) => link.mend)),
    60_000
  )

  it.effect(
    "answers after more than breakers wait for",
    () => underLoad("is too slow", outage(({ link }) => link.slow(storeTimeout * 1.5), ({ link }) => link.mend)),
    60_000
  )

  it.effect(
    "answers late, but soon enough to be heard",
    () =>
      underLoad("is slow", (store, loaded, other) =>
        Effect.gen(function*() {
          const mark = loaded.told.length
          yield* store.link.slow(300)
          const { cause } = yield* loaded.waitFor(
            "a first use that was not answered in time",
            ({ event, operation }) => event === "StoreFailed" && operation === "read",
            mark
          )
          assert.strictEqual(cause?.reason, "Timeout")
          yield* reaches(store, loaded, other)
          yield* reaches(store, other, loaded)
        })),
    60_000
  )
}
