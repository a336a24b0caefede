import { assert, describe, it } from "@effect/vitest"
import { Outcome } from "@reclose/core"
import { GuardedHttpClient, type HttpPolicy } from "@reclose/http"
import { Cause, Duration, Effect, Layer } from "effect"
import { HttpClient, type HttpClientError } from "effect/http"
import { RateLimiter } from "effect/persistence"
import { type ClientName, clientNames, countsOf, guarded, guardedOver, text } from "./clients.ts"
import { makeUpstream, until } from "./Upstream.ts"

/** What a function without types may return, or do, instead of what it should. */
const wrongs: Record<string, () => unknown> = {
  "returns nothing": () => undefined,
  "returns null": () => null,
  "returns true": () => true,
  "returns a name": () => "Failure",
  "returns an object that is no outcome": () => ({ _tag: "Fine" }),
  "returns a failure whose retryAfter is a number": () => ({ _tag: "Failure", retryAfter: 5, isSoft: false }),
  "returns an effect": () => Effect.succeed(Outcome.success),
  "is asynchronous": () => Promise.resolve(Outcome.success),
  "is asynchronous and fails": () => Promise.reject(new Error("a bug")),
  "throws": () => {
    throw new Error("a bug")
  }
}

const names = Object.keys(wrongs)

/** What the types of a policy would not allow. */
const untyped = (policy: Record<string, unknown>) => policy as HttpPolicy.HttpPolicy

const limits = { unread: "30 seconds" } as const

const inSitu = (client: ClientName, policy: Record<string, unknown>) =>
  Effect.provide(guarded({ client, policy: untyped({ timeLimits: limits, concurrency: { limit: 1 }, ...policy }) }))

const defectOf = (cause: Cause.Cause<unknown>): string => String(cause.reasons.find(Cause.isDieReason)?.defect)

const get = (url: string) => Effect.flatMap(GuardedHttpClient, (client) => client.get(url))

describe.each(clientNames)("a classifyBody, over %s", (client) => {
  it.live.each(names)("that %s leaves its reader the body, and the call is ignored", (name) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      for (let i = 0; i < 3; i++) assert.strictEqual(yield* text(upstream.url("/ok")), `{"status":200}`)
      // Each call waits for the place of the one before it.
      assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { succeeded: 0, failed: 0, ignored: 3, rejected: 0 })
    }).pipe(inSitu(client, { classifyBody: wrongs[name] })))
})

describe.each(clientNames)("a classify, over %s", (client) => {
  it.live.each(names)(
    "that %s is a defect of the call, which is ignored and leaves no connection behind",
    (name) =>
      Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        for (let i = 0; i < 2; i++) {
          const cause = yield* Effect.flip(Effect.sandbox(get(upstream.url("/drip"))))
          assert.match(defectOf(cause), name === "throws" ? /a bug/ : /^TypeError: The function "classify" .* returned/)
        }
        assert.deepStrictEqual(yield* countsOf(upstream.url("/")), { succeeded: 0, failed: 0, ignored: 2, rejected: 0 })
        assert.isTrue(yield* until(() => upstream.underWay === 0))
      }).pipe(inSitu(client, { classify: wrongs[name] }))
  )
})

describe("a classify", () => {
  it.live.each(names)("that %s for an error keeps the error beside the defect", (name) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const cause = yield* Effect.flip(Effect.sandbox(get(upstream.url("/closed"))))
      assert.deepStrictEqual(cause.reasons.map(({ _tag }) => _tag), ["Fail", "Die"])
      assert.deepInclude(yield* countsOf(upstream.url("/")), { ignored: 1, failed: 0 })
    }).pipe(inSitu("undici", { classify: wrongs[name] })))

  it.live.each(names)(
    "that %s for the end of a body leaves its reader the error, and the call is ignored",
    (name) =>
      Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        const error = yield* Effect.flip(text(upstream.url("/truncated")))
        assert.strictEqual(error._tag, "HttpClientError")
        assert.deepInclude(yield* countsOf(upstream.url("/")), { ignored: 1, failed: 0 })
      }).pipe(inSitu("undici", {
        classify: (exit: { readonly _tag: string }) => exit._tag === "Success" ? Outcome.success : wrongs[name]?.()
      }))
  )

  it.live.each(["inside", "outside"] as const)(
    "that throws once only, while a retry %s the breaker judges",
    (place) => {
      let judged = 0
      return Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        upstream.always = (_, response) => {
          response.writeHead(503)
          response.write("x")
        }
        const cause = yield* Effect.flip(Effect.sandbox(get(upstream.url("/"))))
        assert.match(defectOf(cause), /a bug/)
        assert.isTrue(yield* until(() => upstream.underWay === 0))
      }).pipe(inSitu("undici", {
        retry: { place, delay: "1 millis" },
        classify: () => {
          if (++judged === 2) throw new Error("a bug")
          return Outcome.failure()
        }
      }))
    }
  )
})

describe("a key function", () => {
  const wrongKeys = names.filter((name) => !["returns nothing", "returns null", "returns a name"].includes(name))

  it.live.each(wrongKeys)("that %s is a defect of the call, which is not sent", (name) =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      const cause = yield* Effect.flip(Effect.sandbox(text(upstream.url("/ok"))))
      assert.match(defectOf(cause), name === "throws" ? /a bug/ : /^TypeError: The function "key" .* returned/)
      assert.deepStrictEqual(upstream.requests, [])
    }).pipe(inSitu("undici", { key: wrongs[name] })))

  it.live.each(["returns nothing", "returns null"])(
    "that %s leaves the request without a circuit",
    (name) =>
      Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        yield* text(upstream.url("/ok"))
        assert.deepInclude(yield* countsOf(upstream.url("/")), { succeeded: 0 })
      }).pipe(inSitu("undici", { key: wrongs[name] }))
  )
})

/** A client without types. */
const answeringNothing: HttpClient.HttpClient = HttpClient.makeWith<
  never,
  never,
  HttpClientError.HttpClientError,
  never
>(
  (request) => Effect.as(request, undefined as never),
  Effect.succeed
)

describe("a client", () => {
  it.live("that answers with nothing is a defect of the call, which frees its place", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 2; i++) {
        const cause = yield* Effect.flip(Effect.sandbox(get("http://upstream.example/")))
        assert.match(defectOf(cause), /TypeError/)
      }
    }).pipe(
      Effect.provide(guardedOver(answeringNothing, { policy: { concurrency: { limit: 1, maxWait: "30 millis" } } }))
    ))
})

describe("a limiter of the program's own", () => {
  const limiters: Record<string, () => Effect.Effect<never>> = {
    "throws": () => {
      throw new Error("a bug")
    },
    "dies": () => Effect.die(new Error("a bug")),
    // A limiter without types.
    "returns nothing": () => undefined as never
  }

  it.live.each(Object.keys(limiters))(
    "that %s is a defect of the call, which frees its place",
    (name) =>
      Effect.gen(function*() {
        const upstream = yield* makeUpstream()
        for (let i = 0; i < 2; i++) {
          const cause = yield* Effect.flip(Effect.sandbox(text(upstream.url("/ok"))))
          assert.isTrue(Cause.hasDies(cause))
        }
      }).pipe(Effect.provide(
        guarded({ policy: { concurrency: { limit: 1, maxWait: "30 millis" }, rateLimit: { limit: 1 } } }).pipe(
          Layer.provideMerge(Layer.succeed(RateLimiter.RateLimiter, {
            ...({} as RateLimiter.RateLimiter),
            consume: limiters[name] ?? (() => Effect.never)
          }))
        )
      ))
  )

  it.live("that never answers limits nothing after a second", () =>
    Effect.gen(function*() {
      const upstream = yield* makeUpstream()
      assert.strictEqual(yield* text(upstream.url("/ok")), `{"status":200}`)
    }).pipe(Effect.provide(
      guarded({ policy: { rateLimit: { limit: 1, maxWait: Duration.zero } } }).pipe(
        Layer.provideMerge(Layer.succeed(RateLimiter.RateLimiter, {
          ...({} as RateLimiter.RateLimiter),
          consume: () => Effect.never
        }))
      )
    )))
})
