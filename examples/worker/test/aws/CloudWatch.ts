/** Amazon CloudWatch: metrics from lines of logs in the Embedded Metric Format, and the state of alarms on them. */
import { Option, Schema } from "effect"

/** One value of a metric. */
interface Point {
  readonly namespace: string
  readonly name: string
  readonly dimensions: Readonly<Record<string, string>>
  readonly value: number
  readonly time: number
}

/** Which metric an alarm reads, and how. */
interface Reading {
  readonly namespace: string
  readonly name: string
  readonly dimensions: Readonly<Record<string, string>>
  readonly statistic: string
  readonly periodMillis: number
}

export type AlarmState = "OK" | "ALARM"

export interface CloudWatch {
  /** Takes in a line of a log. What is no metric is left alone, as CloudWatch does. */
  readonly ingest: (line: string) => void
  /** Whether an alarm with these properties would be on by now. */
  readonly stateOf: (properties: Readonly<Record<string, unknown>>, now: number) => AlarmState
}

const Line = Schema.fromJsonString(
  Schema.StructWithRest(
    Schema.Struct({
      _aws: Schema.Struct({
        Timestamp: Schema.Finite,
        CloudWatchMetrics: Schema.Array(Schema.Struct({
          Namespace: Schema.String,
          Dimensions: Schema.Array(Schema.Array(Schema.String)),
          Metrics: Schema.Array(Schema.Struct({ Name: Schema.String }))
        }))
      })
    }),
    [Schema.Record(Schema.String, Schema.Unknown)]
  )
)

const Dimensions = Schema.Array(Schema.Struct({ Name: Schema.String, Value: Schema.String }))

const Metric = Schema.Struct({ Namespace: Schema.String, MetricName: Schema.String, Dimensions })

const Rules = {
  ComparisonOperator: Schema.Literal("GreaterThanOrEqualToThreshold"),
  EvaluationPeriods: Schema.Literal(1),
  Threshold: Schema.Finite,
  TreatMissingData: Schema.Literal("notBreaching")
}

const OfMetric = Schema.Struct({ ...Rules, ...Metric.fields, Period: Schema.Finite, Statistic: Schema.String })

const OfExpression = Schema.Struct({
  ...Rules,
  Metrics: Schema.Array(Schema.Union([
    Schema.Struct({ Id: Schema.String, Expression: Schema.String, ReturnData: Schema.Literal(true) }),
    Schema.Struct({
      Id: Schema.String,
      MetricStat: Schema.Struct({ Metric, Period: Schema.Finite, Stat: Schema.String }),
      ReturnData: Schema.Literal(false)
    })
  ]))
})

/** The one form of expression that alarms here have: what is left of a metric without another one. */
const difference = /^(\w+) - FILL\((\w+), 0\)$/

const dimensionsOf = (dimensions: typeof Dimensions.Type) =>
  Object.fromEntries(dimensions.map(({ Name, Value }) => [Name, Value]))

const numbers = (value: unknown): ReadonlyArray<number> => [value].flat().filter((one) => typeof one === "number")

const isSame = (one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean =>
  Object.keys(one).length === Object.keys(other).length &&
  Object.entries(one).every(([name, value]) => other[name] === value)

/** `levels` are metrics that a service tells of itself, such as the length of a queue. */
export const makeCloudWatch = (
  levels: (namespace: string, name: string, dimensions: Readonly<Record<string, string>>) => number | undefined
): CloudWatch => {
  const points: Array<Point> = []

  /** Undefined when there is no data. */
  const read = ({ dimensions, name, namespace, periodMillis, statistic }: Reading, now: number): number | undefined => {
    const level = levels(namespace, name, dimensions)
    const values = level === undefined
      ? points.filter((point) =>
        point.namespace === namespace && point.name === name && isSame(point.dimensions, dimensions) &&
        point.time > now - periodMillis
      ).map(({ value }) => value)
      : [level]
    if (values.length === 0) return undefined
    if (statistic === "Sum") return values.reduce((sum, value) => sum + value, 0)
    if (statistic === "Maximum") return Math.max(...values)
    throw new Error(`this server knows no statistic ${statistic}`)
  }

  const readingOf = (
    { Dimensions, MetricName, Namespace }: typeof Metric.Type,
    statistic: string,
    period: number
  ): Reading => ({
    namespace: Namespace,
    name: MetricName,
    dimensions: dimensionsOf(Dimensions),
    statistic,
    periodMillis: period * 1000
  })

  const valueOf = (properties: Readonly<Record<string, unknown>>, now: number): number | undefined => {
    if (properties["Metrics"] === undefined) {
      const alarm = Schema.decodeUnknownSync(OfMetric)(properties)
      return read(readingOf(alarm, alarm.Statistic, alarm.Period), now)
    }
    const { Metrics } = Schema.decodeUnknownSync(OfExpression)(properties)
    const expression = Metrics.find((one) => "Expression" in one)?.Expression ?? ""
    const [, whole, part] = difference.exec(expression) ?? []
    const values = new Map(
      Metrics.flatMap((one) =>
        "MetricStat" in one
          ? [[one.Id, read(readingOf(one.MetricStat.Metric, one.MetricStat.Stat, one.MetricStat.Period), now)]]
          : []
      )
    )
    if (whole === undefined || part === undefined || !values.has(whole) || !values.has(part)) {
      throw new Error(`this server can't evaluate ${expression}`)
    }
    const value = values.get(whole)
    return value === undefined ? undefined : value - (values.get(part) ?? 0)
  }

  return {
    ingest: (line) => {
      const decoded = Option.getOrUndefined(Schema.decodeUnknownOption(Line)(line))
      if (decoded === undefined) return
      const { _aws: { CloudWatchMetrics, Timestamp: time } } = decoded
      for (const { Dimensions, Metrics, Namespace: namespace } of CloudWatchMetrics) {
        for (const names of Dimensions) {
          const dimensions = Object.fromEntries(names.map((name) => [name, String(decoded[name])]))
          for (const { Name: name } of Metrics) {
            for (const value of numbers(decoded[name])) points.push({ namespace, name, dimensions, value, time })
          }
        }
      }
    },
    stateOf: (properties, now) => {
      const value = valueOf(properties, now)
      // Both forms of alarms have it.
      const threshold = Number(properties["Threshold"])
      return value !== undefined && value >= threshold ? "ALARM" : "OK"
    }
  }
}
