/**
 * The CloudWatch metrics of circuits, as `@reclose/lambda` writes them.
 *
 * @since 0.1.0
 */
import { dimensions, type MetricName, nameIssues, names, namespace, toDimensionValue } from "@reclose/cloudwatch"
import { Duration } from "aws-cdk-lib"
import { Metric, SearchExpression, Stats } from "aws-cdk-lib/aws-cloudwatch"

export { dimensions, type MetricName, names, namespace, toDimensionValue }

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
  /** 1 minute unless set. CloudWatch takes 1, 5, 10, 20 and 30 seconds, and multiples of a minute up to a day. */
  readonly period?: Duration | undefined
  /** How it is called in a graph. */
  readonly label?: string | undefined
}

const checkNames = (options: { readonly service: string; readonly namespace?: string | undefined }): void => {
  const issues = nameIssues(options)
  if (issues.length === 0) return
  throw new Error(
    issues.map(({ allowed, field, value }) => `${field} is ${JSON.stringify(value)}: it must be ${allowed}`).join("\n")
  )
}

const checkPeriod = (period: Duration): void => {
  const seconds = period.toSeconds({ integral: false })
  if ([1, 5, 10, 20, 30].includes(seconds) || (seconds % 60 === 0 && seconds >= 60 && seconds <= 86_400)) return
  throw new Error(
    `period is ${seconds} seconds: it must be 1, 5, 10, 20 or 30 seconds, or a multiple of a minute up to a day`
  )
}

/** A count of a minute is the sum of what its processes wrote, a level is the largest of them. */
const statisticOf = (name: MetricName): string => name === names.openCircuits ? Stats.MAXIMUM : Stats.SUM

/**
 * One metric, of a service or of one of its circuits, for alarms and graphs of your own.
 *
 * **Details**
 *
 * Counts are read as their sum, `OpenCircuits` as its maximum. Give the names that the program has: here as there,
 * `toDimensionValue` of `@reclose/cloudwatch` makes values of dimensions of them.
 *
 * Fails for a period that CloudWatch does not take, and for a service or a namespace under which `EmbeddedMetrics` would not write: a service has 1 to 255 characters
 * that are not all blank.
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
  name: MetricName,
  { circuit, label, namespace: space = namespace, period = Duration.minutes(1), service }: MetricOptions
): Metric => {
  checkNames({ service, namespace: space })
  checkPeriod(period)
  return new Metric({
    namespace: space,
    metricName: name,
    dimensionsMap: {
      [dimensions.service]: toDimensionValue(service),
      ...(circuit === undefined ? {} : { [dimensions.circuit]: toDimensionValue(circuit) })
    },
    statistic: statisticOf(name),
    period,
    ...(label === undefined ? {} : { label })
  })
}

/**
 * One metric of every circuit of a service, a line for each: for graphs, since CloudWatch takes no search in an alarm.
 *
 * **Details**
 *
 * CloudWatch finds circuits that wrote something within two weeks, and shows at most 500.
 *
 * **Gotchas**
 *
 * Fails for a service or a namespace with a quotation mark or a backslash, which a search can't hold, and for whatever
 * `metric` fails for.
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
  name: MetricName,
  { label = "", namespace: space = namespace, period = Duration.minutes(1), service }: Omit<MetricOptions, "circuit">
): SearchExpression => {
  checkNames({ service, namespace: space })
  for (const [what, text] of [["service", service], ["namespace", space]] as const) {
    if (/['"\\]/.test(text)) {
      throw new Error(
        `${what} ${JSON.stringify(text)} can't be searched for: use a name without quotation marks and \\`
      )
    }
  }
  checkPeriod(period)
  const schema = [space, dimensions.service, dimensions.circuit].map((part) => `"${part}"`).join(",")
  const query = `{${schema}} MetricName="${name}" "${dimensions.service}"="${toDimensionValue(service)}"`
  return new SearchExpression({
    expression: `SEARCH('${query}', '${statisticOf(name)}', ${period.toSeconds()})`,
    label,
    period
  })
}
