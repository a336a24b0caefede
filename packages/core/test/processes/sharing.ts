/** What several real processes on one store come to: an opening that all share, one that probes, one that dies of it. */
import { assert, type Vitest } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { wall } from "./calls.ts"
import { type Corner, fail, heldAs, heldOpen, join, Place, say, succeed, trip } from "./Place.ts"
import { eventually, type Process } from "./Process.ts"
import { percentiles, showPercentiles } from "./Protocol.ts"

const each = <A, E>(processes: ReadonlyArray<Process>, ask: (process: Process) => Effect.Effect<A, E>) =>
  Effect.forEach(processes, ask, { concurrency: "unbounded" })

/** Four processes in a corner of their own. */
const makeFleet = Effect.gen(function*() {
  const corner = yield* (yield* Place).corner
  const starting = Effect.all([join(corner), join(corner), join(corner), join(corner)], { concurrency: "unbounded" })
  return { corner, processes: yield* starting }
})

class Fleet extends Context.Service<Fleet, {
  readonly corner: Corner
  readonly processes: readonly [Process, Process, Process, Process]
}>()("test/Fleet") {
  static readonly layer = Layer.effect(this, Effect.orDie(makeFleet))
}

/** Waits until a process knows that a circuit is not closed. */
const learns = (key: string) => (process: Process) =>
  eventually(
    "an opening that is learnt of",
    Effect.map(process.ask("state", { key }), ({ phase }) => phase !== "Closed" || undefined)
  )

/** The moment from which on every process takes the open time for over. */
const whenOver = Effect.fnUntraced(function*(processes: ReadonlyArray<Process>, key: string) {
  const { precision } = yield* Place
  const moments = yield* each(
    processes,
    (process) => Effect.map(process.ask("state", { key }), ({ retryAfter }) => wall() + retryAfter)
  )
  return Math.max(...moments) + precision + 100
})

/** How processes came to know that a circuit is closed again. */
const closings = (processes: ReadonlyArray<Process>, key: string) =>
  processes.flatMap(({ told }) => told.filter((told) => told.key === key && told.to === "Closed"))
    .map(({ why }) => why)
    .sort()

export const sharing = (it: Vitest.MethodsNonLive<Place>) => {
  it.layer(Fleet.layer, { timeout: "30 seconds" })((it) => {
    it.effect("open in one is soon open in all", () =>
      Effect.gen(function*() {
        const { processes: [first, ...others] } = yield* Fleet
        const delays: Array<number> = []
        for (const key of Array.from({ length: 8 }, (_, index) => `long/${index}`)) {
          yield* each([first, ...others], (process) => succeed(process, key))
          const { decidedAt, end } = yield* trip(first, key)
          assert.strictEqual(end, "Failure")
          const rejections = yield* each(others, (process) =>
            process.ask("callUntil", { key, end: "Success", takes: 0, until: "rejected" }))
          for (const { end, why } of rejections) {
            assert.deepStrictEqual([end, why], ["CircuitOpen", "Tripped"])
          }
          delays.push(...rejections.map((rejection) =>
            rejection.decidedAt - decidedAt
          ))
        }
        const { name } = yield* Place
        yield* say(`${name}: an opening holds elsewhere after ${showPercentiles(percentiles(delays))}`)
      }), 60_000)

    it.effect(
      "probed by exactly one of those that call at the same moment, and closed for all by its success",
      () =>
        Effect.gen(function*() {
          const { corner, processes } = yield* Fleet
          const round = (key: string) =>
            Effect.gen(function*() {
              yield* each(processes, (process) => succeed(process, key))
              yield* trip(processes[0], key)
              yield* each(processes, learns(key))
              const at = yield* whenOver(processes, key)
              const calls = yield* each(
                processes,
                (process) => process.ask("call", { key, end: "Success", takes: 1_000, at })
              )
              const seen = calls.map(({ end, why }) => why ?? end).sort()
              assert.deepStrictEqual(seen, ["Probing", "Probing", "Probing", "Success"], key)
              yield* heldAs(corner, key, "closed", ({ phase }) => phase._tag === "Closed")
              yield* each(
                processes,
                (process) => process.waitFor("a closed circuit", (told) => told.key === key && told.to === "Closed")
              )
              assert.deepStrictEqual(closings(processes, key), ["Learned", "Learned", "Learned", "ProbesSucceeded"])
            })
          yield* Effect.forEach(["one", "two", "three"], round, { concurrency: "unbounded" })
        }),
      60_000
    )
  })

  it.effect(
    "not wedged by one that is killed while it probes: another one probes, and closes it for all",
    () =>
      Effect.gen(function*() {
        const { corner, processes } = yield* makeFleet
        const [prober, ...others] = processes
        const key = "quotes"
        yield* each(processes, (process) => succeed(process, key))
        yield* trip(prober, key)
        yield* each(others, learns(key))
        const at = yield* whenOver(processes, key)
        const ended = Effect.flatMap(
          prober.ask("call", { key, end: "Success", takes: 60_000, at }),
          (called) => Effect.die(new Error(`no probe: ${JSON.stringify(called)}`))
        )
        yield* Effect.raceFirst(heldAs(corner, key, "half-open", ({ phase }) => phase._tag === "HalfOpen"), ended)
        for (const { end, why } of yield* each(others, (process) => succeed(process, key))) {
          assert.deepStrictEqual([end, why], ["CircuitOpen", "Probing"])
        }
        yield* prober.kill
        const killed = wall()
        const began = yield* each(
          others,
          (process) => process.ask("callUntil", { key, end: "Success", takes: 0, until: "began" })
        )
        const first = Math.min(...began.map(({ decidedAt }) => decidedAt))
        const { name } = yield* Place
        yield* say(`${name}: the next probe began ${(first - killed).toFixed(0)} ms after the prober was killed`)
        yield* heldAs(corner, key, "closed", ({ phase }) => phase._tag === "Closed")
        for (const { end } of yield* each(others, (process) => succeed(process, key))) {
          assert.strictEqual(end, "Success")
        }
        assert.deepStrictEqual(closings(others, key), ["Learned", "Learned", "ProbesSucceeded"])
      }),
    60_000
  )

  it.effect(
    "remembered for a process that is started after the one that opened it was killed",
    () =>
      Effect.gen(function*() {
        const corner = yield* (yield* Place).corner
        // Counts go out once at once, and then only when they are flushed.
        const rarely = { flushEvery: "1 minute" }
        const [one, other] = yield* Effect.all([join(corner, rarely), join(corner)], { concurrency: "unbounded" })
        yield* fail(one, "long/counted")
        yield* fail(one, "long/counted")
        yield* trip(one, "long/flushed")
        yield* one.ask("flush", null)
        yield* one.kill
        yield* trip(other, "long/beside")
        yield* heldOpen(corner, "long/beside")
        yield* other.kill
        const fresh = yield* join(corner)
        const first = yield* succeed(fresh, "long/flushed")
        const second = yield* succeed(fresh, "long/beside")
        for (const { began, why } of [first, second]) assert.deepStrictEqual([began, why], [false, "Tripped"])
        yield* fail(fresh, "long/counted")
        yield* learns("long/counted")(fresh)
        const { name } = yield* Place
        yield* say(`${name}: the first call of a new process was rejected after ${first.decidedAfter.toFixed(0)} ms`)
      }),
    60_000
  )

  it.effect(
    "overridden by an operator for a process that is started later, until he lets go",
    () =>
      Effect.gen(function*() {
        const corner = yield* (yield* Place).corner
        const operated = yield* join(corner)
        yield* operated.ask("steer", { key: "forced", act: "forceOpen" })
        yield* operated.ask("steer", { key: "disabled", act: "disable" })
        yield* operated.ask("flush", null)
        yield* operated.kill
        const fresh = yield* join(corner)
        const called = yield* succeed(fresh, "forced")
        assert.deepStrictEqual([called.began, called.why], [false, "Forced"])
        for (const { end } of [yield* trip(fresh, "disabled"), yield* trip(fresh, "disabled")]) {
          assert.strictEqual(end, "Failure")
        }
        assert.strictEqual((yield* fresh.ask("state", { key: "disabled" })).override, "Disabled")
        yield* fresh.ask("steer", { key: "forced", act: "release" })
        assert.strictEqual((yield* succeed(fresh, "forced")).end, "Success")
        yield* heldAs(corner, "forced", "released", ({ override }) => override === "None")
      }),
    60_000
  )
}
