/** Records as stores keep them: text that other releases read as well. */
import { assert, describe, it } from "@effect/vitest"
import { CircuitRecord } from "@reclose/core"
import { Effect } from "effect"

const { fromText, toText } = CircuitRecord

const record: CircuitRecord.CircuitRecord = {
  version: 7,
  time: 1_790_000_000_000.5,
  timeToLive: 60_000,
  generation: 4,
  phase: { _tag: "Open", openings: 2, duration: 20_000, remaining: 12_000 },
  override: "None",
  policy: "8wyvew",
  evidence: [],
  failing: [["p1", 1_789_999_999_999]],
  failingSince: 1_789_999_999_000,
  writers: [["p1", 3], ["p2", 1]]
}

const text = "{\"form\":1,\"version\":7,\"time\":1790000000000.5,\"timeToLive\":60000,\"generation\":4," +
  "\"phase\":{\"_tag\":\"Open\",\"openings\":2,\"duration\":20000,\"remaining\":12000},\"override\":\"None\"," +
  "\"policy\":\"8wyvew\",\"evidence\":[],\"failing\":[[\"p1\",1789999999999]],\"failingSince\":1789999999000," +
  "\"writers\":[[\"p1\",3],[\"p2\",1]]}"

const error = (text: string) => Effect.flip(fromText("quotes", text))

describe("a record's text", () => {
  it.effect("is the same in every release that has its form", () =>
    Effect.gen(function*() {
      assert.strictEqual(toText(record), text)
      assert.deepStrictEqual(yield* fromText("quotes", text), record)
    }))

  it.effect.each<Partial<CircuitRecord.CircuitRecord>>([
    { phase: { _tag: "Closed", openings: 1, remaining: 0.5 } },
    {
      phase: {
        _tag: "HalfOpen",
        openings: 1,
        openDuration: 10_000,
        probes: [0, 3],
        nextProbe: 4,
        successes: 1,
        failures: 2,
        remaining: 4_000
      }
    },
    { override: "ForcedOpen" },
    { override: "ForcedClosed" },
    { override: "Disabled" },
    { override: "MetricsOnly" },
    { evidence: [{ _tag: "Consecutive", failures: 3 }] },
    { evidence: [{ _tag: "Calls", blocks: [[10, 3], [4, 0]] }, { _tag: "Time", buckets: [[179, 5, 2]] }] },
    { timeToLive: undefined },
    { failing: [], writers: [] }
  ])("brings all of a record back: %o", (fields) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* fromText("quotes", toText({ ...record, ...fields })), { ...record, ...fields })
    }))

  it.effect("says nothing of failures where there were none", () =>
    Effect.gen(function*() {
      const { failingSince: _, ...quiet } = record
      assert.notInclude(toText(quiet), "failingSince")
      assert.deepStrictEqual(yield* fromText("quotes", toText(quiet)), quiet)
    }))

  it.effect("of another form is told apart from what is no record, and says what to do", () =>
    Effect.gen(function*() {
      for (const form of [2, 0]) {
        const foreign = yield* error(text.replace("\"form\":1", `"form":${form}`))
        assert.deepInclude(foreign, {
          _tag: "CircuitStoreError",
          key: "quotes",
          operation: "read",
          reason: "ForeignVersion",
          message: `the record has form ${form} and this release reads form 1; it is left alone: ` +
            "bring all processes to one release, or give this one a prefix or table of its own"
        })
        assert.isDefined(foreign.cause)
      }
    }))

  it.effect("of more than 65,536 characters is refused before it is read, with its length", () =>
    Effect.gen(function*() {
      const long = text.replace("\"writers\":[", `"writers":[${`["k3f9",1],`.repeat(150_000)}`)
      const corrupt = yield* error(long)
      assert.strictEqual(corrupt.reason, "Corrupt")
      assert.include(corrupt.message, `${long.length} characters`)
      assert.include(corrupt.message, "65536 at most")
    }))

  it.effect.each<[string, string]>([
    ["that is empty", ""],
    ["that is no JSON", "{"],
    ["that is null", "null"],
    ["without a form", "{}"],
    ["that has this form and nothing else", "{\"form\":1}"],
    ["whose form is no whole number", "{\"form\":1.5}"],
    ["with a negative version", text.replace("\"version\":7", "\"version\":-1")],
    ["with a fraction of a generation", text.replace("\"generation\":4", "\"generation\":4.5")],
    ["with a negative time", text.replace("\"remaining\":12000", "\"remaining\":-1")],
    ["with an infinite time", text.replace("\"remaining\":12000", "\"remaining\":1e999")],
    ["in no phase that there is", text.replace("\"_tag\":\"Open\"", "\"_tag\":\"Ajar\"")],
    ["with no override that there is", text.replace("\"None\"", "\"Some\"")],
    ["with half a writer", text.replace("[\"p2\",1]", "[\"p2\"]")],
    ["with half a block", text.replace("\"evidence\":[]", "\"evidence\":[{\"_tag\":\"Calls\",\"blocks\":[[1]]}]")]
  ])("%s is no record's", ([, text]) =>
    Effect.gen(function*() {
      const corrupt = yield* error(text)
      assert.deepInclude(corrupt, {
        _tag: "CircuitStoreError",
        key: "quotes",
        operation: "read",
        reason: "Corrupt",
        message: "what is held is no record of a circuit; it is left alone: delete it to share the circuit again"
      })
      assert.isDefined(corrupt.cause)
    }))
})

describe("a record that is read", () => {
  it.effect.each<[string, string]>([
    ["more characters than a record ever has", `${text}${" ".repeat(65_536)}`],
    ["more levels than can be walked", `{"form":1,"a":${"[".repeat(30_000)}${"]".repeat(30_000)}}`]
  ])("has not %s", ([, text]) =>
    Effect.gen(function*() {
      assert.strictEqual((yield* error(text)).reason, "Corrupt")
    }))
})
