import { Outcome } from "@reclose/core"
import { HttpOutcome, TimeLimits } from "@reclose/http"
import { Cause, Duration, Exit } from "effect"
import { HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"
import { assert, describe, it } from "vitest"

const request = HttpClientRequest.get("https://api.example/users/7")

const responseOf = (status: number, headers: Record<string, string> = {}) => {
  // The platform's own class refuses statuses that servers can send.
  const response = HttpClientResponse.fromWeb(request, new Response(null, { headers }))
  return Object.create(response, { status: { value: status } }) as HttpClientResponse.HttpClientResponse
}

const answer = (status: number, headers: Record<string, string> = {}) => Exit.succeed(responseOf(status, headers))

const failed = (reason: HttpClientError.HttpClientErrorReason) =>
  Exit.fail(new HttpClientError.HttpClientError({ reason }))

const nameOf = (outcome: Outcome.Outcome): HttpOutcome.OutcomeName =>
  outcome._tag === "Failure" && outcome.isSoft ? "SoftFailure" : outcome._tag

const limit = new TimeLimits.TimeLimitExceeded({
  limit: "body",
  duration: Duration.seconds(1),
  method: "GET",
  url: "https://api.example"
})

describe("HttpOutcome.classify", () => {
  it.each(
    [
      [99, "Failure"],
      [101, "Success"],
      [200, "Success"],
      [204, "Success"],
      [301, "Success"],
      [304, "Success"],
      [400, "Ignored"],
      [401, "Ignored"],
      [403, "Ignored"],
      [404, "Ignored"],
      [408, "Failure"],
      [409, "Ignored"],
      [422, "Ignored"],
      [425, "Ignored"],
      [429, "SoftFailure"],
      [451, "Ignored"],
      [499, "Ignored"],
      [500, "Failure"],
      [501, "Failure"],
      [502, "Failure"],
      [503, "Failure"],
      [504, "Failure"],
      [599, "Failure"],
      [999, "Failure"]
    ] as const
  )("a %d is a %s", (status, name) => {
    assert.strictEqual(nameOf(HttpOutcome.classify(answer(status), 0)), name)
  })

  it.each([429, 503, 500])("a %d carries its Retry-After", (status) => {
    const outcome = HttpOutcome.classify(answer(status, { "retry-after": "7" }), 0)
    assert.deepStrictEqual(outcome._tag === "Failure" ? outcome.retryAfter : undefined, Duration.seconds(7))
  })

  it("a Retry-After that is neither seconds nor a date is none", () => {
    const outcome = HttpOutcome.classify(answer(503, { "retry-after": "soon" }), 0)
    assert.deepStrictEqual(outcome, Outcome.failure({ soft: false }))
  })

  const response = responseOf(200)
  it.each(
    [
      ["no connection", failed(new HttpClientError.TransportError({ request })), "Failure"],
      ["an exceeded limit", Exit.fail(limit), "Failure"],
      ["a timeout of Effect's own", Exit.fail(new Cause.TimeoutError()), "Failure"],
      [
        "a body that took too long",
        failed(new HttpClientError.DecodeError({ request, response, cause: limit })),
        "Failure"
      ],
      [
        "a body that broke off",
        failed(new HttpClientError.DecodeError({ request, response, cause: new Error("aborted") })),
        "Failure"
      ],
      [
        "a body that is no JSON",
        failed(new HttpClientError.DecodeError({ request, response, cause: new SyntaxError() })),
        "Ignored"
      ],
      ["an empty body", failed(new HttpClientError.EmptyBodyError({ request, response })), "Ignored"],
      ["a request that can't be encoded", failed(new HttpClientError.EncodeError({ request })), "Ignored"],
      ["a URL that is none", failed(new HttpClientError.InvalidUrlError({ request })), "Ignored"],
      [
        "a status that was made an error",
        failed(new HttpClientError.StatusCodeError({ request, response: responseOf(503) })),
        "Failure"
      ],
      [
        "a 404 that was made an error",
        failed(new HttpClientError.StatusCodeError({ request, response: responseOf(404) })),
        "Ignored"
      ],
      ["an interruption", Exit.interrupt(), "Ignored"],
      ["a defect", Exit.die(new Error("bug")), "Failure"],
      ["an error of another kind", Exit.fail("down"), "Failure"]
    ] as const
  )("%s is a %s", (_, exit, name) => {
    assert.strictEqual(nameOf(HttpOutcome.classify(exit, 0)), name)
  })
})

describe("HttpOutcome.classifier", () => {
  const classify = HttpOutcome.classifier({
    statuses: { "4xx": "Success", "404": "Failure", "503": "SoftFailure" },
    transport: "Ignored",
    timeLimit: "SoftFailure"
  })

  it("a status says more than its class, and a class more than the table", () => {
    assert.deepStrictEqual(
      [404, 400, 429, 503, 500].map((status) => nameOf(classify(answer(status), 0))),
      ["Failure", "Success", "Success", "SoftFailure", "Failure"]
    )
  })

  it("transport errors and time limits have outcomes of their own", () => {
    assert.strictEqual(nameOf(classify(failed(new HttpClientError.TransportError({ request })), 0)), "Ignored")
    assert.strictEqual(nameOf(classify(Exit.fail(limit), 0)), "SoftFailure")
  })
})
