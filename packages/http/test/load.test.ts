/**
 * Two hundred callers at once, against a dependency that dies and returns. `RECLOSE_LOAD_SECONDS` says for how long; the
 * numbers are printed where it is set.
 */
import { assert, describe, it } from "@effect/vitest"
import { CircuitBreaker, type Transition, TripRule } from "@reclose/core"
import { GuardedHttpClient } from "@reclose/http"
import { Effect, Layer, Stream } from "effect"
import { HttpClient } from "effect/http"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { clients, guardedBy, stateOf } from "./clients.ts"
import { makeUpstream, until } from "./Upstream.ts"

const seconds = Number(process.env["RECLOSE_LOAD_SECONDS"] ?? 3)
const callers = 200
const openMillis = 100

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")

/** What is alive, in megabytes. */
const heap = Effect.gen(function*() {
  // Twice, and with time in between for what is finalized.
  collect()
  yield* Effect.sleep("50 millis")
  collect()
  return process.memoryUsage().heapUsed / 1_000_000
})

const percentile = (values: ReadonlyArray<number>, share: number) =>
  values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? 0

interface Seen {
  readonly answered: Array<number>
  readonly rejected: Array<number>
  failed: number
  mostSockets: number
}

/** Calls again and again. Who is rejected does something else for a moment. */
const caller = (url: string, seen: Seen) =>
  Effect.gen(function*() {
    const client = yield* GuardedHttpClient
    const call = Effect.flatMap(client.get(url), (response) => response.text)
    return yield* Effect.forever(Effect.suspend(() => {
      const began = performance.now()
      return Effect.matchEffect(call, {
        onSuccess: () => Effect.sync(() => void seen.answered.push(performance.now() - began)),
        onFailure: (error) => {
          if (error._tag !== "CircuitOpen") {
            seen.failed++
            return Effect.void
          }
          seen.rejected.push(performance.now() - began)
          return Effect.sleep("20 millis")
        }
      })
    }))
  })

/** A client that notes when a request is sent, which is after its circuit has let it. */
const noting = (sends: Array<number>) =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(
      HttpClient.HttpClient,
      HttpClient.transform((send) =>
        Effect.suspend(() => {
          sends.push(performance.now())
          return send
        })
      )
    )
  ).pipe(Layer.provide(clients.undici))

describe("under load", () => {
  it.live(`${callers} callers, a dependency that dies and returns`, () =>
    Effect.gen(function*() {
      const rejections: Array<unknown> = []
      const onRejection = (reason: unknown) => void rejections.push(reason)
      process.on("unhandledRejection", onRejection)
      yield* Effect.addFinalizer(() => Effect.sync(() => process.off("unhandledRejection", onRejection)))

      const upstream = yield* makeUpstream()
      const url = upstream.url("/ok")
      const sends: Array<number> = []
      const seen: Seen = { answered: [], rejected: [], failed: 0, mostSockets: 0 }
      let opened: number | undefined

      const before = yield* Effect.gen(function*() {
        const breaker = yield* CircuitBreaker
        const watch = (transition: Transition) =>
          Effect.sync(() => {
            if (transition.to === "Open") opened ??= performance.now()
          })
        yield* Effect.forkChild(Stream.runForEach(breaker.transitions, watch), { startImmediately: true })
        yield* Effect.forkChild(Effect.forever(Effect.andThen(
          Effect.sync(() => {
            seen.mostSockets = Math.max(seen.mostSockets, upstream.sockets.size)
          }),
          Effect.sleep("10 millis")
        )))
        for (let i = 0; i < callers; i++) yield* Effect.forkChild(caller(url, seen))

        yield* Effect.sleep(`${seconds * 300} millis`)
        const before = yield* heap
        upstream.always = (request) => void request.socket.destroy()
        yield* Effect.sleep(`${seconds * 400} millis`)
        const diedFor = performance.now() - (opened ?? 0)
        upstream.always = undefined
        const probes = sends.filter((at) => opened !== undefined && at > opened).length
        const allowed = Math.ceil(diedFor / openMillis) + 1
        assert.isDefined(opened, "the circuit opened")
        assert.isAtMost(probes, allowed, "probes while open")

        const answered = seen.answered.length
        yield* Effect.sleep(`${seconds * 300} millis`)
        assert.isTrue(yield* until(() => seen.answered.length > answered + callers), "it is used again")
        assert.strictEqual((yield* stateOf(url)).phase, "Closed")
        const grown = (yield* heap) - before
        if (process.env["RECLOSE_LOAD_SECONDS"] !== undefined) {
          yield* Effect.sync(() => {
            process.stdout.write(`${
              JSON.stringify({
                seconds,
                answered: seen.answered.length,
                failed: seen.failed,
                rejected: seen.rejected.length,
                probes,
                allowed,
                rejectedMillis: { p50: percentile(seen.rejected, 0.5), p99: percentile(seen.rejected, 0.99) },
                answeredMillis: { p50: percentile(seen.answered, 0.5), p99: percentile(seen.answered, 0.99) },
                heapBefore: before,
                heapGrown: grown,
                connections: upstream.connections,
                mostSockets: seen.mostSockets
              })
            }\n`)
          })
        }
        return grown
      }).pipe(Effect.provide(guardedBy(noting(sends), {
        breaker: {
          tripRule: TripRule.failureRate({ threshold: 0.5, window: 100, minimumCalls: 50 }),
          openDuration: openMillis
        }
      })))

      assert.deepStrictEqual(rejections, [])
      // Far less than any request takes: nothing leaves the process.
      assert.isBelow(percentile(seen.rejected, 0.99), 10)
      // The test's own lists are part of it.
      assert.isBelow(before, 30)
      assert.isAtMost(seen.mostSockets, callers * 2)
      assert.isTrue(yield* until(() => upstream.sockets.size === 0), "the client's end closes every connection")
    }), (seconds + 40) * 1_000)
})
