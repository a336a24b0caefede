import { RetryAfter } from "@reclose/http"
import { Duration } from "effect"
import { Headers } from "effect/http"
import { assert, describe, it } from "vitest"

const now = Date.UTC(2026, 9, 21, 7, 0, 0)

const read = (headers: Record<string, string>) => {
  const delay = RetryAfter.fromHeaders(Headers.fromInput(headers), now)
  return delay === undefined ? undefined : Duration.toMillis(delay)
}

describe("RetryAfter", () => {
  it("reads seconds", () => {
    assert.strictEqual(read({ "Retry-After": "120" }), 120_000)
  })

  it("reads a date, against the response's own clock", () => {
    const date = "Wed, 21 Oct 2026 07:28:00 GMT"
    assert.strictEqual(read({ date, "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT" }), 30_000)
  })

  it("reads a date against the clock where the response has none, or one that is wrong", () => {
    assert.strictEqual(read({ "retry-after": "Wed, 21 Oct 2026 07:00:30 GMT" }), 30_000)
    assert.strictEqual(read({ date: "yesterday", "retry-after": "Wed, 21 Oct 2026 07:00:30 GMT" }), 30_000)
  })

  it.each([
    "",
    ",",
    "soon",
    "-1",
    "-0.5",
    "1e3",
    "0",
    "0.0",
    "Infinity",
    "NaN",
    "+5",
    "0x10",
    "2026-10-21T07:28:00",
    "1;2"
  ])(
    "%j asks for no wait",
    (text) => {
      assert.isUndefined(read({ "retry-after": text }))
    }
  )

  it("a date that has passed asks for no wait", () => {
    assert.isUndefined(read({ "retry-after": "Wed, 21 Oct 2026 06:59:59 GMT" }))
  })

  it("without the header there is no wait", () => {
    assert.isUndefined(read({}))
  })

  it.each([["1.5", 2], ["2.0", 2], ["0.001", 1], [".5", 1], ["3.", 3], [" 7 ", 7]])(
    "%j is rounded up to whole seconds",
    (text, seconds) => {
      assert.strictEqual(read({ "retry-after": text }), seconds * 1_000)
    }
  )

  it.each(["604801", "31536000", "9".repeat(400), "Wed, 28 Oct 2026 07:00:01 GMT", "Wed, 21 Oct 2099 07:28:00 GMT"])(
    "%j is more than 7 days, and becomes 7 days",
    (text) => {
      assert.strictEqual(read({ "retry-after": text }), 604_800_000)
    }
  )

  it.each<[string, number]>([
    ["30, 60", 60],
    ["60, 30", 60],
    ["60,soon", 60],
    ["30, Wed, 21 Oct 2026 07:02:00 GMT", 120],
    ["Wed, 21 Oct 2026 07:02:00 GMT, 30", 120],
    ["Wednesday, 21-Oct-26 07:01:00 GMT, Wed, 21 Oct 2026 07:02:00 GMT", 120]
  ])("of several values in %j the longest counts", (text, seconds) => {
    assert.strictEqual(read({ "retry-after": text }), seconds * 1_000)
  })

  it.each([
    "Wed, 21 Oct 2026 07:00:30 +0000",
    "Wed, 21 Oct 2026 07:00:30 -0000",
    "Wed, 21 Oct 2026 07:00:30 UTC",
    "Wed, 21 Oct 2026 07:00:30 UT",
    "Wed, 21 Oct 2026 09:00:30 +0200",
    "Wed, 21 Oct 2026 01:30:30 -05:30",
    "Wed Oct 21 07:00:30 2026",
    "2026-10-21T07:00:30Z",
    "2026-10-21T09:00:30.000+02:00"
  ])("%j is a date", (text) => {
    assert.strictEqual(read({ "retry-after": text }), 30_000)
  })

  it("a date is relative to the first of several dates of the response", () => {
    const date = "Wed, 21 Oct 2026 07:28:00 GMT, Wed, 21 Oct 2026 07:28:09 GMT"
    assert.strictEqual(read({ date, "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT" }), 30_000)
  })
})
