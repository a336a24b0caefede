/** What the function's URL answers, by what becomes of the job. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitOpen } from "@reclose/core"
import { GuardedHttpClient, Throttled, TimeLimits } from "@reclose/http"
import type { LambdaFunctionURLEvent } from "aws-lambda"
import { Duration, Effect } from "effect"
import { HttpClient, HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"
import { answerRequest } from "../src/answerRequest.ts"
import { Settings } from "../src/Settings.ts"

const origin = "https://quotes.example"

const settings = Settings.of({
  service: "worker",
  circuitsTable: "circuits",
  queueUrl: "https://sqs.example/jobs",
  deadLetterQueueUrl: "https://sqs.example/dead",
  maxReceiveCount: 5,
  origins: new Set([origin]),
  circuits: {},
  http: {}
})

const job = JSON.stringify({ id: "7", request: { method: "POST", url: `${origin}/orders`, body: { text: "größer" } } })

/** Of an event, that is all that is looked at. */
const eventOf = (body: string | undefined, isBase64Encoded = false) =>
  ({ version: "2.0", body, isBase64Encoded }) as LambdaFunctionURLEvent

type Failure = Effect.Error<ReturnType<GuardedHttpClient["Service"]["execute"]>>

/** A dependency that answers so, or of which there is no answer. */
const answers = (response: Response) => Effect.succeed(response)
const fails = (failure: Failure) => Effect.fail(failure)

const answerTo = (event: LambdaFunctionURLEvent, end: Effect.Effect<Response, Failure>) =>
  Effect.gen(function*() {
    const sent: Array<HttpClientRequest.HttpClientRequest> = []
    const client = HttpClient.makeWith<Failure, never, Failure, never>(
      Effect.flatMap((request) => {
        sent.push(request)
        return Effect.map(end, (response) => HttpClientResponse.fromWeb(request, response))
      }),
      Effect.succeed
    )
    const answer = yield* answerRequest(event).pipe(
      Effect.provideService(GuardedHttpClient, client),
      Effect.provideService(Settings, settings)
    )
    if (typeof answer === "string") return assert.fail(answer)
    assert.strictEqual(answer.headers?.["content-type"], "application/json")
    return { status: answer.statusCode, headers: answer.headers ?? {}, body: JSON.parse(answer.body ?? ""), sent }
  })

const request = HttpClientRequest.get(`${origin}/latest`)

const tooLong = new TimeLimits.TimeLimitExceeded({
  limit: "headers",
  duration: Duration.seconds(2),
  method: "POST",
  url: `${origin}/orders`
})

const throttled = new Throttled({ key: origin, by: "concurrency", limit: 3, waited: Duration.zero })

const open = (retryAfter: Duration.Input) =>
  new CircuitOpen({
    key: origin,
    phase: "Open",
    reason: "Tripped",
    retryAfter: Duration.fromInputUnsafe(retryAfter),
    consecutiveOpenings: 1
  })

describe("the function's URL", () => {
  it.effect("answers 200 with what the dependency answered", () =>
    Effect.gen(function*() {
      const answer = yield* answerTo(
        eventOf(job),
        answers(new Response("größer", { status: 201, headers: { "content-type": "text/plain" } }))
      )
      assert.deepStrictEqual([answer.status, answer.body], [
        200,
        { status: 201, contentType: "text/plain", body: "größer" }
      ])
    }))

  it.effect("reads a job that comes in Base64", () =>
    Effect.gen(function*() {
      const encoded = Buffer.from(job, "utf8").toString("base64")
      const { sent, status } = yield* answerTo(eventOf(encoded, true), answers(new Response("ok")))
      assert.strictEqual(status, 200)
      assert.strictEqual(sent[0]?.headers["idempotency-key"], "7")
      const body = sent[0]?.body
      assert.deepStrictEqual(body?._tag === "Uint8Array" && JSON.parse(new TextDecoder().decode(body.body)), {
        text: "größer"
      })
    }))

  it.effect.each<[string, string | undefined]>([
    ["no body", undefined],
    ["no JSON", "{"],
    ["a job that can't be", JSON.stringify({ id: "7", request: { method: "GET", url: "http://169.254.169.254/" } })]
  ])("answers 400 to %s, and sends nothing", ([, body]) =>
    Effect.gen(function*() {
      const { body: { reason }, sent, status } = yield* answerTo(eventOf(body), answers(new Response("ok")))
      assert.strictEqual(status, 400)
      assert.isAbove(reason.length, 10)
      assert.lengthOf(sent, 0)
    }))

  it.effect.each([404, 422, 301])(
    "answers 422 to a job that the dependency refuses with %d",
    (status) =>
      Effect.gen(function*() {
        const answer = yield* answerTo(eventOf(job), answers(new Response("no such order", { status })))
        assert.deepStrictEqual([answer.status, answer.body], [
          422,
          { status, reason: `the dependency refused it with ${status}: no such order` }
        ])
      })
  )

  it.effect("answers 429 with Retry-After when too many others are on their way", () =>
    Effect.gen(function*() {
      const { body, headers, status } = yield* answerTo(eventOf(job), fails(throttled))
      assert.deepStrictEqual([status, headers["retry-after"], body], [429, "1", { reason: throttled.message }])
    }))

  it.effect.each([500, 503, 408, 425, 429])(
    "answers 502 when the dependency answers %d",
    (status) =>
      Effect.gen(function*() {
        const answer = yield* answerTo(eventOf(job), answers(new Response("", { status })))
        assert.deepStrictEqual([answer.status, answer.body], [502, {
          status,
          reason: `the dependency answered ${status}`
        }])
      })
  )

  it.effect("answers 502 when there is no answer", () =>
    Effect.gen(function*() {
      const refused = new HttpClientError.HttpClientError({
        reason: new HttpClientError.TransportError({ request, description: "connection refused" })
      })
      const { body, status } = yield* answerTo(eventOf(job), fails(refused))
      assert.strictEqual(status, 502)
      assert.match(body.reason, /connection refused/)
    }))

  it.effect.each<[Duration.Input, string]>([["30 seconds", "30"], ["1200 millis", "2"], ["1 millis", "1"], [
    "0 millis",
    "1"
  ]])(
    "answers 503 while the circuit is open for %s, with Retry-After in whole seconds",
    ([retryAfter, seconds]) =>
      Effect.gen(function*() {
        const { body, headers, status } = yield* answerTo(eventOf(job), fails(open(retryAfter)))
        assert.deepStrictEqual([status, headers["retry-after"], body.circuit], [503, seconds, origin])
        assert.include(body.reason, origin)
      })
  )

  it.effect("answers 504 when the dependency takes too long", () =>
    Effect.gen(function*() {
      const { body, status } = yield* answerTo(eventOf(job), fails(tooLong))
      assert.deepStrictEqual([status, body], [504, { reason: tooLong.message }])
    }))

  it.effect("answers 504 when the dependency takes too long over its body", () =>
    Effect.gen(function*() {
      const response = HttpClientResponse.fromWeb(request, new Response(""))
      const broken = new HttpClientError.HttpClientError({
        reason: new HttpClientError.DecodeError({ request, response, cause: tooLong })
      })
      const { body, status } = yield* answerTo(eventOf(job), fails(broken))
      assert.deepStrictEqual([status, body], [504, { reason: tooLong.message }])
    }))

  it.effect("answers with 256 KiB of what the dependency answered, and reads no further", () =>
    Effect.gen(function*() {
      let read = 0
      const endless = new ReadableStream({
        pull: (controller) => {
          read++
          controller.enqueue(new Uint8Array(64 * 1024).fill(97))
        }
      })
      const { body, status } = yield* answerTo(eventOf(job), answers(new Response(endless)))
      assert.deepStrictEqual([status, body.body.length], [200, 256 * 1024])
      assert.isBelow(read, 20)
    }))
})
