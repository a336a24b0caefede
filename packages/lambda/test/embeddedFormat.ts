/**
 * What CloudWatch accepts of its Embedded Metric Format, as a schema: written from the specification, with the limits that
 * CloudWatch has for names and values of metrics and dimensions.
 */
import { assert } from "@effect/vitest"
import { Ajv } from "ajv"

const printable = "^[ -~]*[!-~][ -~]*$"

const schema = {
  type: "object",
  required: ["_aws"],
  properties: {
    _aws: {
      type: "object",
      required: ["Timestamp", "CloudWatchMetrics"],
      properties: {
        Timestamp: { type: "integer", minimum: 0, maximum: 8.64e15 },
        CloudWatchMetrics: { type: "array", items: { $ref: "#/$defs/directive" } }
      }
    }
  },
  $defs: {
    directive: {
      type: "object",
      additionalProperties: false,
      required: ["Namespace", "Dimensions", "Metrics"],
      properties: {
        Namespace: { type: "string", pattern: "^(?!AWS/)[A-Za-z0-9._/#: -]{1,255}$" },
        Dimensions: { type: "array", minItems: 1, items: { $ref: "#/$defs/dimensions" } },
        Metrics: { type: "array", minItems: 1, maxItems: 100, items: { $ref: "#/$defs/metric" } }
      }
    },
    dimensions: {
      type: "array",
      maxItems: 30,
      uniqueItems: true,
      items: { type: "string", minLength: 1, maxLength: 250, pattern: `^(?!:)[ -~]*[!-~][ -~]*$` }
    },
    metric: {
      type: "object",
      additionalProperties: false,
      required: ["Name"],
      properties: {
        Name: { type: "string", minLength: 1, maxLength: 1_024, pattern: printable },
        Unit: { enum: ["Count", "Milliseconds", "Seconds", "Percent", "Bytes", "Count/Second", "None"] },
        StorageResolution: { enum: [1, 60] }
      }
    },
    /** A number, or up to a hundred; JSON has none that are infinite. */
    value: { anyOf: [{ type: "number" }, { type: "array", minItems: 1, maxItems: 100, items: { type: "number" } }] },
    dimensionValue: { type: "string", minLength: 1, maxLength: 1_024, pattern: printable }
  }
} as const

const ajv = new Ajv({ strict: true, strictRequired: false, allowUnionTypes: true })
const validate = ajv.compile(schema)
const value = ajv.compile({ ...schema.$defs.value })
const dimensionValue = ajv.compile(schema.$defs.dimensionValue)

export interface MetricLine {
  readonly _aws: {
    readonly Timestamp: number
    readonly CloudWatchMetrics: ReadonlyArray<{
      readonly Namespace: string
      readonly Dimensions: ReadonlyArray<ReadonlyArray<string>>
      readonly Metrics: ReadonlyArray<{ readonly Name: string; readonly Unit: string }>
    }>
  }
  readonly [member: string]: unknown
}

const maxEvent = 1024 * 1024

/** What a line holds, which has to be what CloudWatch accepts. */
export const parseLine = (line: string): MetricLine => {
  assert.isBelow(Buffer.byteLength(line), maxEvent)
  const document = JSON.parse(line)
  assert.isTrue(validate(document), `${ajv.errorsText(validate.errors)}: ${line}`)
  for (const { Dimensions, Metrics } of (document as MetricLine)._aws.CloudWatchMetrics) {
    for (const name of Dimensions.flat()) {
      assert.isTrue(dimensionValue(document[name]), `the dimension ${name} is ${JSON.stringify(document[name])}`)
    }
    for (const { Name } of Metrics) {
      assert.isTrue(value(document[Name]), `the metric ${Name} is ${JSON.stringify(document[Name])}`)
    }
  }
  return document
}

/** The lines among those of a log that are metrics. */
export const metricLines = (logs: ReadonlyArray<string>): ReadonlyArray<MetricLine> =>
  logs.filter((line) => line.startsWith(`{"_aws"`)).map(parseLine)

/** The metrics that CloudWatch takes from a document. */
export const metricsOf = (document: MetricLine): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    document._aws.CloudWatchMetrics.flatMap(({ Metrics }) => Metrics).map(({ Name }) => [Name, document[Name]])
  )
