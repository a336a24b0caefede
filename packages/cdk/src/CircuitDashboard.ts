/**
 * A CloudWatch dashboard of the circuits of a service.
 *
 * @since 0.1.0
 */
import { Duration } from "aws-cdk-lib"
import {
  type Alarm,
  AlarmStatusWidget,
  Dashboard,
  GraphWidget,
  type IMetric,
  type IWidget,
  LogQueryVisualizationType,
  LogQueryWidget,
  PeriodOverride,
  Stats
} from "aws-cdk-lib/aws-cloudwatch"
import type { IFunction } from "aws-cdk-lib/aws-lambda"
import type { ILogGroup } from "aws-cdk-lib/aws-logs"
import type { IQueue } from "aws-cdk-lib/aws-sqs"
import { Construct } from "constructs"
import * as CircuitMetrics from "./CircuitMetrics.ts"

/**
 * What is shown. Everything but the service's circuits is shown only when given.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitDashboardProps {
  /** The name under which the program writes its metrics. */
  readonly service: string
  /** `Reclose` unless set. */
  readonly namespace?: string | undefined
  /** A name of CloudFormation's choice unless set. */
  readonly dashboardName?: string | undefined
  /** How much time a point stands for: 1 minute unless set. */
  readonly period?: Duration | undefined
  /** Their state is shown at the top. */
  readonly alarms?: ReadonlyArray<Alarm> | undefined
  /** The queue that the service works on. */
  readonly queue?: IQueue | undefined
  /** Where messages go that could not be handled. */
  readonly deadLetterQueue?: IQueue | undefined
  /** The function that the service runs in. */
  readonly function?: IFunction | undefined
  /** Where the service's metrics are written, to show why the store of circuits fails. */
  readonly logGroup?: ILogGroup | undefined
}

/** A dashboard is 24 columns wide. */
const columns = 24

const height = 6

/** Widgets beside each other, all of one width. */
const row = (...graphs: ReadonlyArray<(width: number) => IWidget>): Array<IWidget> =>
  graphs.map((graph) => graph(columns / graphs.length))

const graph = (title: string, left: ReadonlyArray<IMetric>, options: { readonly stacked?: boolean } = {}) => {
  return (width: number): IWidget =>
    new GraphWidget({ title, left: [...left], leftYAxis: { min: 0 }, width, height, ...options })
}

/**
 * A CloudWatch dashboard of the circuits of a service, of its queues, and of the function it runs in.
 *
 * **Details**
 *
 * From top to bottom: the state of the alarms; open circuits and how circuits changed; calls by their outcome and how
 * many each circuit rejected; how often each circuit opened, how often the store failed, and why; the queues; the function.
 * A row is left out when there is nothing to show in it.
 *
 * **Gotchas**
 *
 * Rows by circuit find circuits by searching, and CloudWatch shows 500 at most.
 *
 * **Example** (Circuits and the function they live in)
 *
 * ```ts no-run
 * import { CircuitAlarms, CircuitDashboard } from "@reclose/cdk"
 * import type { Stack } from "aws-cdk-lib"
 * import type { IFunction } from "aws-cdk-lib/aws-lambda"
 *
 * declare const stack: Stack
 * declare const worker: IFunction
 *
 * const { alarms } = new CircuitAlarms(stack, "CircuitAlarms", { service: "worker" })
 * new CircuitDashboard(stack, "CircuitDashboard", { service: "worker", alarms, function: worker })
 * ```
 *
 * @category constructs
 * @since 0.1.0
 */
export class CircuitDashboard extends Construct {
  /** The dashboard itself, for widgets of your own. */
  readonly dashboard: Dashboard

  constructor(scope: Construct, id: string, props: CircuitDashboardProps) {
    super(scope, id)
    const { alarms = [], dashboardName, deadLetterQueue, function: worker, logGroup, queue, service } = props
    const period = props.period ?? Duration.minutes(1)
    const metric = (name: CircuitMetrics.MetricName, label: string) =>
      CircuitMetrics.metric(name, { service, namespace: props.namespace, period, label })
    const byCircuit = (name: CircuitMetrics.MetricName) =>
      CircuitMetrics.byCircuit(name, { service, namespace: props.namespace, period })

    const rows: Array<Array<IWidget>> = [
      alarms.length === 0
        ? []
        : row((width) => new AlarmStatusWidget({ title: `Circuits of ${service}`, alarms: [...alarms], width })),
      row(
        // By circuit, on top of each other: each instance writes how many of its own circuits are open, not all of them.
        graph("Open circuits", [byCircuit("OpenCircuits")], { stacked: true }),
        graph("Changes", [
          metric("CircuitOpened", "opened"),
          metric("CircuitReopened", "opened again soon after"),
          metric("CircuitHalfOpened", "half-opened"),
          metric("CircuitClosed", "closed"),
          metric("RecoveryFailed", "recovery failed")
        ])
      ),
      row(
        graph("Calls by outcome", [
          metric("CallsSucceeded", "succeeded"),
          metric("CallsFailed", "failed"),
          metric("CallsIgnored", "ignored"),
          metric("CallsRejected", "rejected")
        ], { stacked: true }),
        graph("Rejected by circuit", [byCircuit("CallsRejected")], { stacked: true })
      ),
      row(
        graph("Opened by circuit", [byCircuit("CircuitOpened")]),
        graph("Failures of the store", [metric("StoreFailures", "failed")])
      ),
      logGroup === undefined ? [] : row((width) =>
        new LogQueryWidget({
          title: "Why the store fails",
          logGroupNames: [logGroup.logGroupName],
          view: LogQueryVisualizationType.TABLE,
          // The line of a service has what failed for all of its circuits.
          queryLines: [
            "fields @timestamp, storeFailures.0.operation as operation, storeFailures.0.reason as reason",
            "fields storeFailures.0.message as message",
            `filter service = "${CircuitMetrics.toDimensionValue(service)}" and ispresent(reason)`,
            "sort @timestamp desc",
            "limit 20"
          ],
          width,
          height
        })
      ),
      queue === undefined && deadLetterQueue === undefined ? [] : row(...queues(period, queue, deadLetterQueue)),
      worker === undefined ? [] : row(...runs(period, worker))
    ]

    this.dashboard = new Dashboard(this, "Dashboard", {
      // Points of the period that was asked for, however much time is shown.
      periodOverride: PeriodOverride.INHERIT,
      widgets: rows.filter((widgets) => widgets.length > 0),
      ...(dashboardName === undefined ? {} : { dashboardName })
    })
  }
}

const queues = (period: Duration, queue: IQueue | undefined, deadLetterQueue: IQueue | undefined) => {
  const level = { period, statistic: Stats.MAXIMUM }
  return [
    ...(queue === undefined ? [] : [
      graph("Queue", [
        queue.metricApproximateNumberOfMessagesVisible({ ...level, label: "waiting" }),
        queue.metricApproximateNumberOfMessagesNotVisible({ ...level, label: "in work, or put back for later" })
      ]),
      graph("Age of the oldest message", [queue.metricApproximateAgeOfOldestMessage({ ...level, label: "seconds" })])
    ]),
    ...(deadLetterQueue === undefined ? [] : [
      graph("Dead letters", [deadLetterQueue.metricApproximateNumberOfMessagesVisible({ ...level, label: "waiting" })])
    ])
  ]
}

const runs = (period: Duration, worker: IFunction) => [
  graph(
    "Duration of invocations",
    ["p50", "p95", "p99"].map((statistic) => worker.metricDuration({ period, statistic, label: statistic }))
  ),
  graph("Invocations", [
    worker.metricInvocations({ period, label: "all" }),
    worker.metricErrors({ period, label: "failed" }),
    worker.metricThrottles({ period, label: "throttled" })
  ])
]
