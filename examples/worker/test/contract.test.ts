/**
 * What the worker expects of the APIs that it calls, as a contract: pinned by having it talk to a mock that knows nothing
 * else, and verified against the double that stands for those APIs on this machine. A real API is verified in the same way.
 */
import { assert, describe, it } from "@effect/vitest"
import { Matchers, Pact, Verifier } from "@pact-foundation/pact"
import { CircuitBreaker, TripRule } from "@reclose/core"
import { HttpBreaker } from "@reclose/http"
import { Duration, Effect, Exit, Layer, type Scope } from "effect"
import { FetchHttpClient } from "effect/http"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, vi } from "vitest"
import * as Job from "../src/Job.ts"
import { serve } from "../src/local/Upstream.ts"
import { perform } from "../src/Worker.ts"

// Before Pact is loaded. Where its library can't run, this file fails and says so.
vi.hoisted(() => {
  process.env["PACT_DO_NOT_TRACK"] = "true"
})

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

interface Response {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What stands between the verifier and the double, and may change what the double answers. */
const between = (origin: string, change: (response: Response) => Response): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const server = createServer((request, response) => {
          const pass = async () => {
            const chunks: Array<Uint8Array> = []
            for await (const chunk of request) chunks.push(chunk)
            const answer = await fetch(`${origin}${request.url}`, {
              method: request.method ?? "GET",
              headers: { "idempotency-key": String(request.headers["idempotency-key"]) },
              body: Buffer.concat(chunks)
            })
            const headers = ["content-type", "retry-after"].flatMap((name) => {
              const value = answer.headers.get(name)
              return value === null ? [] : [[name, value]]
            })
            const changed = change({
              status: answer.status,
              headers: Object.fromEntries(headers),
              body: await answer.text()
            })
            response.writeHead(changed.status, changed.headers).end(changed.body)
          }
          pass().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined))
        })
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
        return server
      }),
      (server) =>
        Effect.sync(() => {
          server.close()
          server.closeAllConnections()
        })
    ),
    // A server that listens on a port has such an address.
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  )

/** Has Pact ask the double what the worker would ask it, in each of the states that the contract names. */
const verify = Effect.fnUntraced(function*(change: (response: Response) => Response) {
  const upstream = yield* serve()
  const state = (health: typeof upstream.health, refused: ReadonlyArray<string> = []) => () => {
    upstream.health = health
    upstream.refused.clear()
    for (const id of refused) upstream.refused.add(id)
    return Promise.resolve()
  }
  const verifier = new Verifier({
    provider: "dependency",
    providerBaseUrl: yield* between(upstream.url, change),
    pactUrls: readdirSync(dir).map((file) => join(dir, file)),
    logLevel: "error",
    stateHandlers: {
      "orders are taken": state("healthy"),
      "the order is refused": state("healthy", ["order-1"]),
      "there are too many orders": state("throttling"),
      "it is overloaded": state("failing")
    }
  })
  const exit = yield* Effect.exit(Effect.tryPromise(() => verifier.verifyProvider()))
  return { isVerified: Exit.isSuccess(exit), asked: upstream.received.length }
}, Effect.scoped)

describe("the double of a dependency", { timeout: 60_000 }, () => {
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

  it.live("keeps the contract", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* verify((response) => response), { isVerified: true, asked: 4 })
    }))

  it.live.each<[string, (response: Response) => Response]>([
    ["takes what it should refuse", (response) => response.status === 422 ? { ...response, status: 200 } : response],
    [
      "doesn't say why it refuses",
      (response) => response.status === 422 ? { ...response, body: "{}" } : response
    ],
    [
      "answers with what is no JSON",
      (response) => response.status === 200 ? { ...response, headers: { "content-type": "text/html" } } : response
    ],
    [
      "fails in another way when there are too many orders",
      (response) => response.status === 429 ? { ...response, status: 500 } : response
    ],
    [
      "doesn't say when to come back",
      (response) => response.status === 503 ? { ...response, headers: {} } : response
    ],
    [
      "says when to come back in words",
      (response) => response.status === 429 ? { ...response, headers: { "retry-after": "soon" } } : response
    ]
  ])("breaks the contract if it %s", ([, change]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* verify(change), { isVerified: false, asked: 4 })
    }))
})
