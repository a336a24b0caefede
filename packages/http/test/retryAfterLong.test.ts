/** Headers that take long to read. */
import { assert, it } from "@effect/vitest"
import { RetryAfter } from "@reclose/http"
import { Headers } from "effect/http"

it.each([["a list", "1,".repeat(300_000)], ["blanks", `Mon${" ".repeat(300_000)}x`], [
  "digits",
  `${"1".repeat(300_000)}x`
]])(
  "a Retry-After of %s with hundreds of thousands of characters is read at once",
  (_, value) => {
    const begun = performance.now()
    RetryAfter.fromHeaders(Headers.fromInput({ "retry-after": value }), 0)
    // Minutes, where the time grows with the square of the length.
    assert.isBelow(performance.now() - begun, 1_000)
  },
  60_000
)
