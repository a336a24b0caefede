/**
 * The CloudWatch metrics of circuits, as `@reclose/lambda` writes them.
 *
 * @since 0.1.0
 */
import { Duration } from "aws-cdk-lib"
import { Metric, SearchExpression, Stats } from "aws-cdk-lib/aws-cloudwatch"

/**
 * The namespace that metrics are written to unless told otherwise.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultNamespace = "Reclose"

/**
 * Every metric of circuits.
 *
 * **Details**
 *
 * - `CircuitOpened`, `CircuitHalfOpened`, `CircuitClosed`: how often a circuit changed to that phase.
 * - `RecoveryFailed`: how often a half-open circuit opened again.
 * - `CallsSucceeded`, `CallsFailed`, `CallsIgnored`: finished calls by their outcome.
 * - `CallsRejected`: calls that were not made, since the circuit was open.
 * - `OpenCircuits`: how many circuits are not closed. It is a level, all others are counts.
 * - `StoreFailures`: how often the store of circuits stopped working for a circuit.
 *
 * @category constants
 * @since 0.1.0
 */
export const names = [
  "CircuitOpened",
  "CircuitHalfOpened",
  "CircuitClosed",
  "RecoveryFailed",
  "CallsSucceeded",
  "CallsFailed",
  "CallsRejected",
  "CallsIgnored",
  "OpenCircuits",
  "StoreFailures"
] as const

/**
 * The name of a metric of circuits.
 *
 * @category models
 * @since 0.1.0
 */
export type Name = (typeof names)[number]

/**
 * The dimensions that each metric is written with: once for the service, once for each circuit.
 *
 * @category constants
 * @since 0.1.0
 */
export const dimensions = [["service"], ["service", "circuit"]] as const

/**
 * Which circuits a metric is about, and how it is read.
 *
 * @category models
 * @since 0.1.0
 */
export interface MetricOptions {
  /** The name under which the program writes its metrics. */
  readonly service: string
  /** A circuit's key; all circuits of the service unless set. */
  readonly circuit?: string | undefined
  /** `Reclose` unless set. */
  readonly namespace?: string | undefined
  /** 1 minute unless set. CloudWatch takes 1, 5, 10 and 30 seconds, and multiples of a minute up to a day. */
  readonly period?: Duration | undefined
  /** How it is called in a graph. */
  readonly label?: string | undefined
}

/** A count of a minute is the sum of what its processes wrote, a level is the largest of them. */
const statisticOf = (name: Name): string => name === "OpenCircuits" ? Stats.MAXIMUM : Stats.SUM

/**
 * One metric, of a service or of one of its circuits, for alarms and graphs of your own.
 *
 * **Details**
 *
 * Counts are read as their sum, `OpenCircuits` as its maximum.
 *
 * **Example** (An alarm of your own)
 *
 * ```ts
 * import { CircuitMetrics } from "@reclose/cdk"
 * import { App, Duration, Stack } from "aws-cdk-lib"
 * import { Template } from "aws-cdk-lib/assertions"
 * import { Alarm } from "aws-cdk-lib/aws-cloudwatch"
 *
 * const stack = new Stack(new App(), "Worker")
 * const metric = CircuitMetrics.metric("CallsRejected", { service: "worker", period: Duration.minutes(5) })
 * new Alarm(stack, "ManyRejected", { metric, threshold: 1000, evaluationPeriods: 1 })
 *
 * Template.fromStack(stack).hasResourceProperties("AWS::CloudWatch::Alarm", {
 *   Namespace: "Reclose",
 *   MetricName: "CallsRejected",
 *   Dimensions: [{ Name: "service", Value: "worker" }],
 *   Statistic: "Sum"
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const metric = (
  name: Name,
  { circuit, label, namespace = defaultNamespace, period = Duration.minutes(1), service }: MetricOptions
): Metric =>
  new Metric({
    namespace,
    metricName: name,
    dimensionsMap: { service, ...(circuit === undefined ? {} : { circuit }) },
    statistic: statisticOf(name),
    period,
    ...(label === undefined ? {} : { label })
  })

/**
 * One metric of every circuit of a service, a line for each: for graphs, since CloudWatch takes no search in an alarm.
 *
 * **Details**
 *
 * CloudWatch finds circuits that wrote something within two weeks, and shows at most 500.
 *
 * **Gotchas**
 *
 * Fails for a service or a namespace with a quotation mark or a backslash, which a search can't hold.
 *
 * **Example** (Which circuits reject)
 *
 * ```ts
 * import { CircuitMetrics } from "@reclose/cdk"
 *
 * CircuitMetrics.byCircuit("CallsRejected", { service: "worker" }).expression
 * // => `SEARCH('{"Reclose","service","circuit"} MetricName="CallsRejected" "service"="worker"', 'Sum', 60)`
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const byCircuit = (
  name: Name,
  { label = "", namespace = defaultNamespace, period = Duration.minutes(1), service }: Omit<MetricOptions, "circuit">
): SearchExpression => {
  for (const [what, text] of Object.entries({ service, namespace })) {
    if (/['"\\]/.test(text)) {
      throw new Error(
        `${what} ${JSON.stringify(text)} can't be searched for: use a name without quotation marks and \\`
      )
    }
  }
  const schema = [namespace, ...dimensions[1]].map((part) => `"${part}"`).join(",")
  const query = `{${schema}} MetricName="${name}" "service"="${service}"`
  return new SearchExpression({
    expression: `SEARCH('${query}', '${statisticOf(name)}', ${period.toSeconds()})`,
    label,
    period
  })
}
