/** Amazon CloudWatch: metrics from lines of logs in the Embedded Metric Format, and the state of alarms on them. */
import { Option, Schema } from "effect"

/** One value of a metric. */
export interface Point {
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
  /** Takes in a value that a service of AWS writes by itself. */
  readonly put: (point: Point) => void
  /** The state of an alarm with these properties, evaluated each minute until now. */
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
  EvaluationPeriods: Schema.Finite,
  DatapointsToAlarm: Schema.Finite,
  Threshold: Schema.Finite,
  TreatMissingData: Schema.Literals(["notBreaching", "ignore"])
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

/** The value of a period that ends at a time; undefined where there is no data. */
type Values = (end: number) => number | undefined

interface AlarmRules {
  readonly periodMillis: number
  readonly evaluationPeriods: number
  readonly datapointsToAlarm: number
  readonly threshold: number
  readonly missing: "notBreaching" | "ignore"
  readonly values: Values
}

/** The two forms of expressions that alarms here have. */
const difference = /^(\w+) - FILL\((\w+), 0\)$/
const growth = /^DIFF\((\w+)\)$/

const dimensionsOf = (dimensions: typeof Dimensions.Type) =>
  Object.fromEntries(dimensions.map(({ Name, Value }) => [Name, Value]))

const numbers = (value: unknown): ReadonlyArray<number> => [value].flat().filter((one) => typeof one === "number")

const isSame = (one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean =>
  Object.keys(one).length === Object.keys(other).length &&
  Object.entries(one).every(([name, value]) => other[name] === value)

/**
 * The state of an alarm after it was evaluated each minute. Of the latest periods as many as `EvaluationPeriods` are looked
 * at; the alarm is on where `DatapointsToAlarm` of them reach the threshold. A period without data does not reach it, or is
 * left out of account where missing data is ignored: then an alarm without any data stays as it was.
 */
const evaluate = (rules: AlarmRules, from: number, now: number): AlarmState => {
  const { datapointsToAlarm, evaluationPeriods, missing, periodMillis, threshold, values } = rules
  let state: AlarmState = "OK"
  for (let at = now - Math.floor((now - from) / 60_000) * 60_000; at <= now; at += 60_000) {
    const latest = Array.from({ length: evaluationPeriods }, (_, i) => values(at - i * periodMillis))
    if (missing === "ignore" && latest.every((value) => value === undefined)) continue
    const reached = latest.filter((value) => value !== undefined && value >= threshold).length
    state = reached >= datapointsToAlarm ? "ALARM" : "OK"
  }
  return state
}

/** `levels` are metrics that a service reports of itself, such as the length of a queue, as they are now. */
export const makeCloudWatch = (
  levels: (namespace: string, name: string, dimensions: Readonly<Record<string, string>>) => number | undefined
): CloudWatch => {
  const points: Array<Point> = []

  const valuesOf = ({ dimensions, name, namespace, periodMillis, statistic }: Reading): Values => {
    const own = points.filter((point) =>
      point.namespace === namespace && point.name === name && isSame(point.dimensions, dimensions)
    )
    return (end) => {
      const level = own.length > 0 ? undefined : levels(namespace, name, dimensions)
      const values = level === undefined
        ? own.filter(({ time }) => time > end - periodMillis && time <= end).map(({ value }) => value)
        : [level]
      if (values.length === 0) return undefined
      if (statistic === "Sum") return values.reduce((sum, value) => sum + value, 0)
      if (statistic === "Maximum") return Math.max(...values)
      throw new Error(`this server knows no statistic ${statistic}`)
    }
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

  const rulesOf = (
    alarm: typeof OfMetric.Type | typeof OfExpression.Type,
    period: number,
    values: Values
  ): AlarmRules => ({
    periodMillis: period * 1000,
    evaluationPeriods: alarm.EvaluationPeriods,
    datapointsToAlarm: alarm.DatapointsToAlarm,
    threshold: alarm.Threshold,
    missing: alarm.TreatMissingData,
    values
  })

  const read = (properties: Readonly<Record<string, unknown>>): AlarmRules => {
    if (properties["Metrics"] === undefined) {
      const alarm = Schema.decodeUnknownSync(OfMetric)(properties)
      return rulesOf(alarm, alarm.Period, valuesOf(readingOf(alarm, alarm.Statistic, alarm.Period)))
    }
    const alarm = Schema.decodeUnknownSync(OfExpression)(properties)
    const expression = alarm.Metrics.find((one) => "Expression" in one)?.Expression ?? ""
    const stats = alarm.Metrics.flatMap((one) => "MetricStat" in one ? [one] : [])
    const period = stats[0]?.MetricStat.Period ?? 0
    const operands = new Map(stats.map(({ Id, MetricStat: { Metric, Period, Stat } }) => [
      Id,
      valuesOf(readingOf(Metric, Stat, Period))
    ]))
    const [, whole = "", part = ""] = difference.exec(expression) ?? []
    const [, grown = ""] = growth.exec(expression) ?? []
    const [all, less, level] = [operands.get(whole), operands.get(part), operands.get(grown)]
    if (all !== undefined && less !== undefined) {
      return rulesOf(alarm, period, (end) => {
        const value = all(end)
        return value === undefined ? undefined : value - (less(end) ?? 0)
      })
    }
    if (level !== undefined) {
      return rulesOf(alarm, period, (end) => {
        const [now, before] = [level(end), level(end - period * 1000)]
        return now === undefined || before === undefined ? undefined : now - before
      })
    }
    throw new Error(`this server can't evaluate ${expression}`)
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
    put: (point) => void points.push(point),
    stateOf: (properties, now) => {
      const rules = read(properties)
      const first = Math.min(now, ...points.map(({ time }) => time))
      return evaluate(rules, first, now)
    }
  }
}
