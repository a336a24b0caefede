/**
 * CloudWatch alarms on the circuits of a service.
 *
 * @since 0.1.0
 */
import { Duration } from "aws-cdk-lib"
import {
  Alarm,
  ComparisonOperator,
  type IAlarmAction,
  type IMetric,
  MathExpression,
  TreatMissingData
} from "aws-cdk-lib/aws-cloudwatch"
import { Construct } from "constructs"
import * as CircuitMetrics from "./CircuitMetrics.ts"

/**
 * When one alarm goes off: when `threshold` is reached within `period`.
 *
 * @category models
 * @since 0.1.0
 */
export interface AlarmSettings {
  /** A whole number from 1. */
  readonly threshold?: number | undefined
  /** A multiple of a minute, up to a day. */
  readonly period?: Duration | undefined
}

/**
 * Which circuits are watched, when an alarm goes off, and what it does.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitAlarmsProps {
  /** The name under which the program writes its metrics. */
  readonly service: string
  /** A circuit's key; all circuits of the service together unless set. */
  readonly circuit?: string | undefined
  /** `Reclose` unless set. */
  readonly namespace?: string | undefined
  /** What is done when an alarm goes off: nothing unless set. */
  readonly alarmActions?: ReadonlyArray<IAlarmAction> | undefined
  /** What is done when it is over: nothing unless set. */
  readonly okActions?: ReadonlyArray<IAlarmAction> | undefined
  /** A circuit opened: once in 1 minute unless set; `false` for no such alarm. */
  readonly opened?: AlarmSettings | false | undefined
  /** A recovery failed: once in 5 minutes unless set; `false` for no such alarm. */
  readonly recoveryFailed?: AlarmSettings | false | undefined
  /** Closed circuits opened again and again: 5 times in 1 hour unless set; `false` for no such alarm. */
  readonly openedRepeatedly?: AlarmSettings | false | undefined
  /** The store of circuits fails: 5 times in 5 minutes unless set; `false` for no such alarm. */
  readonly storeUnavailable?: AlarmSettings | false | undefined
}

interface Kind {
  readonly id: string
  readonly threshold: number
  readonly period: Duration
  readonly means: string
  readonly metric: (options: CircuitMetrics.MetricOptions) => IMetric
}

const count = (name: CircuitMetrics.MetricName) => (options: CircuitMetrics.MetricOptions): IMetric =>
  CircuitMetrics.metric(name, options)

/** An opening that follows a recovery that failed goes on with an outage, and begins none. */
const newOpenings = (options: CircuitMetrics.MetricOptions): IMetric => {
  const { circuitOpened, recoveryFailed } = CircuitMetrics.names
  return new MathExpression({
    // A circuit of which no recovery failed writes nothing of that.
    expression: "opened - FILL(failed, 0)",
    usingMetrics: {
      opened: CircuitMetrics.metric(circuitOpened, options),
      failed: CircuitMetrics.metric(recoveryFailed, options)
    },
    ...(options.period === undefined ? {} : { period: options.period })
  })
}

const kinds = {
  opened: {
    id: "Opened",
    metric: count(CircuitMetrics.names.circuitOpened),
    threshold: 1,
    period: Duration.minutes(1),
    means:
      "A circuit opened: calls to its dependency are rejected. See the dashboard for which, and why its calls fail."
  },
  recoveryFailed: {
    id: "RecoveryFailed",
    metric: count(CircuitMetrics.names.recoveryFailed),
    threshold: 1,
    period: Duration.minutes(5),
    means: "A circuit let calls through again and they failed: its dependency is still down after the open time."
  },
  openedRepeatedly: {
    id: "OpenedRepeatedly",
    metric: newOpenings,
    threshold: 5,
    period: Duration.hours(1),
    means: "Circuits closed and opened again and again: a dependency comes and goes, or the trip rule is too strict."
  },
  storeUnavailable: {
    id: "StoreUnavailable",
    metric: count(CircuitMetrics.names.storeFailures),
    threshold: 5,
    period: Duration.minutes(5),
    means: "The store of circuits fails: each process judges by itself. The logs say why, look for StoreFailed."
  }
} satisfies Record<string, Kind>

type KindName = keyof typeof kinds

/**
 * Four alarms on the circuits of a service: one opened, a recovery failed, one opened again and again, and the store of
 * circuits is unavailable.
 *
 * **Details**
 *
 * | alarm | counts | goes off at | within |
 * |---|---|---|---|
 * | `opened` | `CircuitOpened` | 1 | 1 minute |
 * | `recoveryFailed` | `RecoveryFailed` | 1 | 5 minutes |
 * | `openedRepeatedly` | `CircuitOpened` less `RecoveryFailed`: openings of circuits that were closed | 5 | 1 hour |
 * | `storeUnavailable` | `StoreFailures` | 5 | 5 minutes |
 *
 * Each compares the sum of one period, and is over as soon as one period stays below the threshold. Missing data is no
 * alarm: a service that writes nothing has nothing to tell, or isn't called.
 *
 * The thresholds are for a service of a few circuits that are healthy nearly always: raise them for one whose dependencies
 * come and go. A store that is down is told of with each invocation, so five failures are an outage, and one is a slow
 * answer.
 *
 * **Gotchas**
 *
 * - All but the last count changes, so an alarm being over does not mean that the circuit has closed: nothing opens while
 *   it stays open. Look at `OpenCircuits`.
 * - Fails for a threshold that is no whole number from 1, and for a period that is no multiple of a minute up to a day.
 *
 * **Example** (Alarms that tell a topic)
 *
 * ```ts
 * import { CircuitAlarms } from "@reclose/cdk"
 * import { App, Stack } from "aws-cdk-lib"
 * import { Template } from "aws-cdk-lib/assertions"
 * import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions"
 * import { Topic } from "aws-cdk-lib/aws-sns"
 *
 * const stack = new Stack(new App(), "Worker")
 * const onCall = new SnsAction(new Topic(stack, "OnCall", { enforceSSL: true }))
 * new CircuitAlarms(stack, "CircuitAlarms", {
 *   service: "worker",
 *   alarmActions: [onCall],
 *   okActions: [onCall],
 *   openedRepeatedly: { threshold: 20 },
 *   recoveryFailed: false
 * })
 *
 * Template.fromStack(stack).resourceCountIs("AWS::CloudWatch::Alarm", 3)
 * ```
 *
 * @category constructs
 * @since 0.1.0
 */
export class CircuitAlarms extends Construct {
  /** The alarms that were asked for. */
  readonly alarms: ReadonlyArray<Alarm>

  constructor(scope: Construct, id: string, props: CircuitAlarmsProps) {
    super(scope, id)
    const { alarmActions = [], okActions = [] } = props
    // The keys of a literal are what its type says.
    this.alarms = (Object.keys(kinds) as Array<KindName>).flatMap((name) => {
      const settings = props[name] ?? {}
      return settings === false ? [] : [this.#alarm(name, settings, props)]
    })
    for (const alarm of this.alarms) {
      alarm.addAlarmAction(...alarmActions)
      alarm.addOkAction(...okActions)
    }
  }

  #alarm(name: KindName, settings: AlarmSettings, { circuit, namespace, service }: CircuitAlarmsProps): Alarm {
    const kind: Kind = kinds[name]
    const { period = kind.period, threshold = kind.threshold } = settings
    check(name, { period, threshold })
    return new Alarm(this, kind.id, {
      metric: kind.metric({ service, circuit, namespace, period }),
      threshold,
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      alarmDescription: `${circuit === undefined ? service : `${service}, ${circuit}`}: ${kind.means}`
    })
  }
}

const check = (name: string, { period, threshold }: { readonly period: Duration; readonly threshold: number }) => {
  if (!Number.isSafeInteger(threshold) || threshold < 1) {
    throw new Error(`${name}.threshold is ${threshold}: it has to be a whole number from 1, or ${name}: false`)
  }
  const seconds = period.toSeconds({ integral: false })
  if (seconds < 60 || seconds > 86_400 || seconds % 60 !== 0) {
    throw new Error(`${name}.period is ${seconds} seconds: it has to be a multiple of a minute, up to a day`)
  }
}
