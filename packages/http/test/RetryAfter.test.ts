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

  it.each(["", "soon", "-1", "1.5", "1e3", "0", "Infinity", "NaN", "604801", "9".repeat(400)])(
    "%j is no wish",
    (text) => {
      assert.isUndefined(read({ "retry-after": text }))
    }
  )

  it("a date that has passed is no wish", () => {
    assert.isUndefined(read({ "retry-after": "Wed, 21 Oct 2026 06:59:59 GMT" }))
  })

  it("no header, no wish", () => {
    assert.isUndefined(read({}))
  })
})
