/** The bundle that would be deployed, in containers of their own, and all that it meets: asked as its callers ask it. */
import { afterAll, assert } from "@effect/vitest"
import type { SQSRecord } from "aws-lambda"
import { Clock, Effect, Exit, Schema, Scope } from "effect"
import { type ErrorReport, type Invocation } from "../../../packages/lambda/test/runtime/RuntimeApi.ts"
import { deliver } from "../../../packages/lambda/test/sqs/EventSource.ts"
import { type Cloud, makeCode, open } from "../src/local/Cloud.ts"
import { type Health, serve, type Upstream } from "../src/local/Upstream.ts"

export interface WorldOptions {
  /** How the dependency is when all begins: healthy unless set. */
  readonly health?: Health
  /** For how long a circuit stays open: 10 minutes unless set, which is for longer than any test takes. */
  readonly openDuration?: string
  /** Variables of the function that differ: `undefined` for one that is missing. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

export interface World {
  readonly cloud: Cloud
  readonly quotes: Upstream
  /** A job as text, with an id of its own unless it is given one. */
  readonly job: (id?: string) => string
  /** One job by way of the function's URL. */
  readonly call: Effect.Effect<Answer>
  /** Messages into the queue. */
  readonly send: (...bodies: ReadonlyArray<string>) => Effect.Effect<void>
  /** A batch from the queue, of all that is there to be had, 10 at most. Answers how many that were. */
  readonly batch: Effect.Effect<number>
  /** What the function was given so far, in the order in which it was. */
  readonly given: ReadonlyArray<SQSRecord>
  /** What invocations failed with. */
  readonly errors: ReadonlyArray<ErrorReport>
}

/** What the function's URL answers. */
export interface Answer {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  readonly invocation: Invocation
}

const Result = Schema.Struct({ statusCode: Schema.Int, headers: Schema.Record(Schema.String, Schema.String) })

const toAnswer = (invocation: Invocation): Answer => {
  if (invocation.end._tag === "Failed") assert.fail(JSON.stringify(invocation.end.error))
  return { ...Schema.decodeUnknownSync(Result)(invocation.end.result), invocation }
}

const policyOf = (openDuration: string) => ({
  circuits: {
    tripRule: { _tag: "Consecutive", failures: 3 },
    openDuration,
    maxOpenDuration: openDuration,
    halfOpen: { permits: 1, successThreshold: 1 },
    refreshEvery: "100 millis",
    // The emulator shares this machine with all other tests.
    hydrateTimeout: "5 seconds",
    storeTimeout: "5 seconds"
  },
  http: { timeLimits: { headers: "2 seconds" } }
})

// Bundled once for each file that uses it.
const scope = Scope.makeUnsafe()
const code = Effect.runPromise(Scope.provide(makeCode(), scope))

afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

/** Sets all of it up, until the scope closes. */
export const start = Effect.fnUntraced(function*(options: WorldOptions = {}) {
  const { environment = {}, health = "healthy", openDuration = "10 minutes" } = options
  const quotes = yield* serve(health)
  const cloud = yield* open({
    origins: [quotes.url],
    policy: policyOf(openDuration),
    timeout: 20_000,
    environment,
    code: yield* Effect.promise(() => code)
  })
  const given: Array<SQSRecord> = []
  const errors: Array<ErrorReport> = []
  let jobs = 0
  const job = (id = `job-${jobs++}`) => JSON.stringify({ id, request: { method: "GET", url: `${quotes.url}/latest` } })
  const world: World = {
    cloud,
    quotes,
    given,
    errors,
    job,
    call: Effect.suspend(() => {
      const event = { version: "2.0", rawPath: "/", body: job(), isBase64Encoded: false }
      return Effect.map(Effect.orDie(cloud.containers.invoke(event)), toAnswer)
    }),
    send: (...bodies) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        for (const body of bodies) cloud.queue.send({ body }, now)
      }),
    batch: deliver(cloud.queue, 10, (event) => {
      given.push(...event.Records)
      return Effect.tapError(cloud.invokeBatch(event), (error) =>
        Effect.sync(() => {
          errors.push("_tag" in error ? { errorType: error._tag, errorMessage: error.message } : error)
        }))
    })
  }
  return world
})
