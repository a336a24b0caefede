/**
 * What the worker expects of the APIs that it calls, as a contract: pinned by having it talk to a mock that knows nothing
 * else, and verified against the double that stands for those APIs on this machine. A real API is verified in the same way.
 */
import { assert, describe, it } from "@effect/vitest"
import { Matchers, Pact } from "@pact-foundation/pact"
import { CircuitBreaker, TripRule } from "@reclose/core"
import { HttpBreaker } from "@reclose/http"
import { Duration, Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, vi } from "vitest"
import { endWithUs } from "../../../packages/core/test/processes/endWithUs.ts"
import * as Job from "../src/Job.ts"
import { perform } from "../src/Worker.ts"
import { breaches } from "./contract/breaches.ts"
import type { Verifications } from "./contract/verifyDouble.ts"

// Before Pact is loaded. Where its library can't run, this file fails and says so.
vi.hoisted(() => {
  process.env["PACT_DO_NOT_TRACK"] = "true"
})

const program = fileURLToPath(new URL("contract/verifyDouble.ts", import.meta.url))

const dir = mkdtempSync(join(tmpdir(), "reclose-pact-"))

afterAll(() => rmSync(dir, { recursive: true, force: true }))

const pact = new Pact({ consumer: "worker", provider: "dependency", dir, logLevel: "error" })

/** A job as the worker gets it: from text. */
const jobFor = (origin: string, id = "order-1") =>
  Job.fromText(
    JSON.stringify({ id, request: { method: "POST", url: `${origin}/orders?dry=no`, body: { amount: 3 } } }),
    new Set([origin])
  )

/** Any failure opens the circuit for a moment, unless the dependency asks for more. */
const Guarded = HttpBreaker.layer().pipe(
  Layer.provide(FetchHttpClient.layer),
  Layer.provide(
    CircuitBreaker.layerLocal({
      tripRule: TripRule.failureRate({ threshold: 0.1, window: "1 minute", minimumCalls: 1 }),
      openDuration: "1 second"
    })
  )
)

const interaction = (description: string, state: string) =>
  pact.addInteraction().given(state).uponReceiving(description).withRequest("POST", "/orders", (request) => {
    request.query({ dry: "no" })
      .headers({ "Idempotency-Key": "order-1", "Content-Type": "application/json" })
      .jsonBody({ amount: 3 })
  })

/** Has the worker do jobs against the mock that stands for the dependency. */
const doing =
  <A, E>(program: (origin: string) => Effect.Effect<A, E, HttpBreaker.GuardedHttpClient>) =>
  ({ url }: { readonly url: string }) =>
    Effect.runPromise(Effect.scoped(Effect.provide(program(new URL(url).origin), Guarded)))

const performOne = (origin: string) => Effect.flatMap(jobFor(origin), perform)

const json = { "Content-Type": Matchers.regex(/^application\/json/, "application/json") }
const wait = { "Retry-After": Matchers.regex(/^[1-9]\d*$/, "30") }

describe("the worker", () => {
  it("is done with a job that is answered with success, and passes the answer on", () =>
    interaction("an order", "orders are taken")
      .willRespondWith(200, (response) => {
        response.headers(json).jsonBody({ path: Matchers.like("/orders") })
      })
      .executeTest(doing((origin) =>
        Effect.map(performOne(origin), (answer) => {
          assert.strictEqual(answer.status, 200)
          assert.strictEqual(answer.contentType, "application/json")
          assert.deepStrictEqual(JSON.parse(answer.body), { path: "/orders" })
        })
      )))

  it("gives a job up that is refused, with the reason", () =>
    interaction("an order that can't be", "the order is refused")
      .willRespondWith(422, (response) => {
        response.headers(json).jsonBody({ reason: Matchers.like("no such customer") })
      })
      .executeTest(doing((origin) =>
        Effect.map(Effect.flip(performOne(origin)), (refused) => {
          assert.strictEqual(refused._tag, "JobRefused")
          assert.match(refused.message, /refused it with 422: .*no such customer/)
        })
      )))

  const overload = [
    [429, "one order too many", "there are too many orders"],
    [503, "an order that nobody has time for", "it is overloaded"]
  ] as const

  for (const [status, description, state] of overload) {
    it(`leaves a dependency alone that answers ${status}, for as long as it asks for`, () =>
      interaction(description, state)
        .willRespondWith(status, (response) => {
          response.headers(wait)
        })
        .executeTest(doing((origin) =>
          Effect.gen(function*() {
            const failed = yield* Effect.flip(performOne(origin))
            assert.deepStrictEqual([failed._tag, failed.message], ["JobFailed", `the dependency answered ${status}`])
            // The mock knows of one request. Another one would fail it.
            const rejected = yield* Effect.flip(performOne(origin))
            if (rejected._tag !== "CircuitOpen") return assert.fail(rejected._tag)
            assert.approximately(Duration.toSeconds(rejected.retryAfter), 30, 5)
          })
        )))
  }
})

/** Verifies the double as it is and with each breach, in a process whose output is of interest only if it fails. */
const verifyDouble = Effect.acquireRelease(
  Effect.sync(() => endWithUs(spawn(process.execPath, [program, dir], { stdio: ["ignore", "pipe", "pipe", "ipc"] }))),
  (child) => Effect.sync(() => child.kill("SIGKILL"))
).pipe(
  Effect.flatMap((child) =>
    Effect.callback<Verifications>((resume) => {
      let output = ""
      for (const stream of [child.stdout, child.stderr]) {
        stream?.on("data", (data) => (output = `${output}${data}`.slice(-10_000)))
      }
      // The program sends nothing else.
      child.once("message", (message) => resume(Effect.succeed(message as Verifications)))
      child.once("close", () => resume(Effect.die(new Error(`the verification ended early: ${output}`))))
    })
  ),
  Effect.timeout("50 seconds"),
  Effect.scoped
)

describe("the double of a dependency", () => {
  let verifications: Verifications = {}
  beforeAll(async () => {
    verifications = await Effect.runPromise(verifyDouble)
  }, 60_000)

  it("is what the contract of the worker names, and nothing is left out of it", () => {
    const files = readdirSync(dir)
    assert.deepStrictEqual(files, ["worker-dependency.json"])
    const { interactions } = JSON.parse(readFileSync(join(dir, files[0] ?? ""), "utf8"))
    assert.sameMembers(interactions.map(({ response }: { response: { status: number } }) => response.status), [
      200,
      422,
      429,
      503
    ])
  })

  it("keeps the contract", () => {
    assert.deepStrictEqual(verifications["none"], { isVerified: true, mismatches: [], asked: 4 })
  })

  it.each(Object.entries(breaches))("breaks the contract if it %s", (breach, { found }) => {
    const { mismatches, ...verification } = verifications[breach] ?? assert.fail("it was not verified")
    assert.deepStrictEqual(verification, { isVerified: false, asked: 4 })
    assert.deepStrictEqual(mismatches.map((mismatch) => mismatch.replace(/:.*/s, "")).sort(), found)
  })
})
