import { nameIssues, toDimensionValue } from "@reclose/cloudwatch"
import { assert, describe, it } from "vitest"

describe("the value of a dimension", () => {
  it.each([
    { what: "an address", text: "https://quotes.example:443/v1", value: "https://quotes.example:443/v1" },
    { what: "text beyond ASCII", text: "größe 😀", value: "gr%C3%B6%C3%9Fe %F0%9F%98%80" },
    { what: "a per cent sign", text: "100%", value: "100%25" },
    { what: "a control character", text: "a\tb", value: "a%09b" },
    { what: "one blank", text: " ", value: "%20" },
    { what: "blanks alone", text: "  ", value: "%20%20" },
    { what: "a blank of Unicode", text: "\u2003", value: "%E2%80%83" },
    { what: "half a character", text: "\ud800", value: "%ED%A0%80" },
    { what: "nothing", text: "", value: "%" },
    { what: "255 characters", text: "x".repeat(255), value: "x".repeat(255) },
    { what: "256 characters", text: "x".repeat(256), value: `${"x".repeat(238)}~85e62acd750c4eb5` }
  ])("is what CloudWatch accepts for $what", ({ text, value }) => {
    assert.strictEqual(toDimensionValue(text), value)
  })

  it.each([
    { what: "are long and share a prefix", one: `${"x".repeat(2_000)}a`, other: `${"x".repeat(2_000)}b` },
    { what: "are Cyrillic routes of 73 characters", one: "ж".repeat(73), other: `${"ж".repeat(72)}з` },
    { what: "are a character and its encoding", one: "ö", other: "%C3%B6" },
    { what: "are nothing and a zero character", one: "", other: "\0" },
    { what: "are a blank and its encoding", one: " ", other: "%20" },
    { what: "are halves of characters", one: "\ud800", other: "\ud801" },
    { what: "are half a character and what replaces it", one: "\ud800", other: "\ufffd" }
  ])("differs between two texts that $what", ({ one, other }) => {
    assert.notStrictEqual(toDimensionValue(one), toDimensionValue(other))
  })

  it.each(Array.from({ length: 24 }, (_, more) => 30 + more))(
    "has at most 255 printable characters and no half of an encoding, for %i characters of four bytes",
    (length) => {
      const value = toDimensionValue(`${"x".repeat(length % 12)}${"😀".repeat(length)}`)
      assert.match(value, /^(?:[\x20-\x24\x26-\x7e]|%[0-9A-F]{2}){1,255}$/)
      assert.isAtMost(value.length, 255)
    }
  )
})

describe("names that CloudWatch does not accept", () => {
  it.each([
    { names: { service: "worker" }, fields: [] },
    { names: { service: " " }, fields: ["service"] },
    { names: { service: "x".repeat(256), namespace: "AWS/Lambda" }, fields: ["service", "namespace"] },
    { names: { service: "ж".repeat(255), namespace: ":a" }, fields: ["namespace"] },
    { names: { service: "worker", namespace: "größe" }, fields: ["namespace"] }
  ])("are all listed: $names", ({ fields, names }) => {
    assert.deepStrictEqual(nameIssues(names).map(({ field }) => field), fields)
  })
})
