/** The schema that the tests of metrics rely on: it has to refuse what CloudWatch refuses. */
import { assert, describe, it } from "@effect/vitest"
import { parseLine } from "./embeddedFormat.ts"

const good = {
  _aws: {
    Timestamp: 1_700_000_000_000,
    CloudWatchMetrics: [{
      Namespace: "Reclose",
      Dimensions: [["service"]],
      Metrics: [{ Name: "CallsFailed", Unit: "Count" }]
    }]
  },
  service: "worker",
  CallsFailed: 3
}
const [directive] = good._aws.CloudWatchMetrics

const withDirective = (changes: object) => ({
  ...good,
  _aws: { ...good._aws, CloudWatchMetrics: [{ ...directive, ...changes }] }
})

const many = (length: number, make: (index: number) => unknown) => Array.from({ length }, (_, index) => make(index))

const bad: Record<string, unknown> = {
  "no metadata": { service: "worker" },
  "no timestamp": { ...good, _aws: { CloudWatchMetrics: [] } },
  "a timestamp that is text": { ...good, _aws: { ...good._aws, Timestamp: "now" } },
  "seconds with a fraction": { ...good, _aws: { ...good._aws, Timestamp: 1_700_000_000.5 } },
  "no namespace": withDirective({ Namespace: undefined }),
  "AWS's namespace": withDirective({ Namespace: "AWS/Lambda" }),
  "a member of its own in a directive": withDirective({ Extra: 1 }),
  "dimensions that are no sets": withDirective({ Dimensions: ["service"] }),
  "no set of dimensions": withDirective({ Dimensions: [] }),
  "31 dimensions": withDirective({ Dimensions: [many(31, (index) => `d${index}`)] }),
  "101 metrics": withDirective({ Metrics: many(101, (index) => ({ Name: `m${index}` })) }),
  "no metrics": withDirective({ Metrics: [] }),
  "a unit of its own": withDirective({ Metrics: [{ Name: "CallsFailed", Unit: "Calls" }] }),
  "a resolution of ten": withDirective({ Metrics: [{ Name: "CallsFailed", StorageResolution: 10 }] }),
  "a dimension without a value": { ...good, service: undefined },
  "a dimension that is a number": { ...good, service: 1 },
  "a dimension that is blank": { ...good, service: " " },
  "a dimension beyond ASCII": { ...good, service: "größe" },
  "a dimension that is too long": { ...good, service: "x".repeat(1_025) },
  "a metric without a value": { ...good, CallsFailed: undefined },
  "a metric that is text": { ...good, CallsFailed: "3" },
  "101 values": { ...good, CallsFailed: many(101, () => 1) },
  "an event that is too large": { ...good, note: "x".repeat(1024 * 1024) }
}

describe("the schema of the Embedded Metric Format", () => {
  it("accepts a document", () => {
    parseLine(JSON.stringify(good))
    parseLine(JSON.stringify({ ...good, CallsFailed: [1, 2, 3], note: { of: "our own" } }))
  })

  it.for(Object.entries(bad))("refuses %s", ([, document]) => {
    assert.throws(() => parseLine(JSON.stringify(document)))
  })
})
