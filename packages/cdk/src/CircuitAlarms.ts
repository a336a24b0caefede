/**
 * CloudWatch alarms on the circuits of a service.
 *
 * @since 0.1.0
 */
import { Duration } from "aws-cdk-lib"
import { type Alarm, type IMetric, MathExpression, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch"
import { Construct } from "constructs"
import * as CircuitMetrics from "./CircuitMetrics.ts"
import { type AlarmActions, type AlarmKind, type AlarmSettings, makeAlarm } from "./internal/makeAlarm.ts"

export type { AlarmActions, AlarmSettings }

/**
 * Which circuits are watched, when an alarm goes off, and what it does. `false` leaves an alarm out.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitAlarmsProps extends AlarmActions {
  /** The name under which the program writes its metrics. */
  readonly service: string
  /** A circuit's key; all circuits of the service together unless set. */
  readonly circuit?: string | undefined
  /** `Reclose` unless set. */
  readonly namespace?: string | undefined
  /** A closed circuit opened: in 1 of the last 5 minutes unless set. */
  readonly opened?: AlarmSettings | false | undefined
  /** A circuit rejects calls, until none does any more: in the last minute that has data unless set. */
  readonly rejecting?: AlarmSettings | false | undefined
  /** Recoveries fail: 3 in 1 hour unless set. */
  readonly recoveryFailed?: AlarmSettings | false | undefined
  /** Circuits open again soon after they have closed: 3 times in 1 hour unless set. */
  readonly openedRepeatedly?: AlarmSettings | false | undefined
  /** The store of circuits fails: in 3 of the last 5 minutes unless set. */
  readonly storeUnavailable?: AlarmSettings | false | undefined
}

type Of = Omit<CircuitMetrics.MetricOptions, "period">

/** An opening after a recovery that failed goes on with an outage, and starts none. */
const newOpenings = (of: Of, period: Duration): IMetric => {
  const { circuitOpened, recoveryFailed } = CircuitMetrics.names
  return new MathExpression({
    // A circuit of which no recovery failed writes nothing of that.
    expression: "opened - FILL(failed, 0)",
    usingMetrics: {
      opened: CircuitMetrics.metric(circuitOpened, { ...of, period }),
      failed: CircuitMetrics.metric(recoveryFailed, { ...of, period })
    },
    period
  })
}

const minute = Duration.minutes(1)
const hour = Duration.hours(1)

/** Data of a log arrives late now and then: an alarm that looks at one minute alone would miss it. */
const onceInFiveMinutes = { threshold: 1, period: minute, datapointsToAlarm: 1, evaluationPeriods: 5 }
const thriceInAnHour = { threshold: 3, period: hour, datapointsToAlarm: 1, evaluationPeriods: 1 }

const kindsOf = (of: Of) => {
  const metric = (name: CircuitMetrics.MetricName) => (period: Duration) =>
    CircuitMetrics.metric(name, { ...of, period })
  const { circuitReopened, openCircuits, recoveryFailed, storeFailures } = CircuitMetrics.names
  return {
    opened: {
      id: "Opened",
      metric: (period) => newOpenings(of, period),
      settings: onceInFiveMinutes,
      means:
        "A circuit opened: calls to its dependency are rejected. See the dashboard for which, and why its calls fail."
    },
    rejecting: {
      id: "Rejecting",
      metric: metric(openCircuits),
      settings: { threshold: 1, period: minute, datapointsToAlarm: 1, evaluationPeriods: 1 },
      // Without calls nothing is written, and nothing is known to have closed.
      treatMissingData: TreatMissingData.IGNORE,
      means: "A circuit is open and rejects calls. It is over when every circuit that is called is closed again."
    },
    recoveryFailed: {
      id: "RecoveryFailed",
      metric: metric(recoveryFailed),
      settings: thriceInAnHour,
      means: "Half-open circuits keep opening again: a dependency has been down for several open durations."
    },
    openedRepeatedly: {
      id: "OpenedRepeatedly",
      metric: metric(circuitReopened),
      settings: thriceInAnHour,
      means: "Circuits close and open again soon after: a dependency comes and goes, or the trip rule is too strict."
    },
    storeUnavailable: {
      id: "StoreUnavailable",
      metric: metric(storeFailures),
      settings: { threshold: 1, period: minute, datapointsToAlarm: 3, evaluationPeriods: 5 },
      means: "The store of circuits fails: each instance judges by itself. `storeFailures` in the log lines says why."
    }
  } satisfies Record<string, AlarmKind>
}

type KindName = keyof ReturnType<typeof kindsOf>

/**
 * Five alarms on the circuits of a service: one opened, one rejects calls, recoveries fail, one opens again and again, and
 * the store of circuits is unavailable.
 *
 * **Details**
 *
 * | alarm | counts | goes off at | over when |
 * |---|---|---|---|
 * | `opened` | `CircuitOpened` less `RecoveryFailed`: openings of circuits that were closed | 1 in 1 of 5 minutes | 5 minutes without one |
 * | `rejecting` | `OpenCircuits` | 1 | a minute whose calls found every circuit closed |
 * | `recoveryFailed` | `RecoveryFailed` | 3 in 1 hour | an hour with fewer |
 * | `openedRepeatedly` | `CircuitReopened`: openings soon after a recovery | 3 in 1 hour | an hour with fewer |
 * | `storeUnavailable` | `StoreFailures` | 1 in 3 of 5 minutes | fewer minutes than that |
 *
 * One outage of one dependency sets off `opened` once and `rejecting` once, however often recoveries fail: page for
 * `opened`, and let `rejecting` say when it is over. Six circuits that open once each set off neither of the two that count
 * in an hour. `storeUnavailable` counts minutes and not failures, since one outage fails once for each circuit and
 * invocation.
 *
 * Missing data is no alarm, but for `rejecting`, which stays as it is until there is data: a service without calls does not
 * know whether its dependency has recovered.
 *
 * **Gotchas**
 *
 * - `rejecting` stays on when a dependency is not called any more while its circuit is open, and when the last instance
 *   that wrote was one to which its closing has not come yet.
 * - Fails for settings that CloudWatch would refuse: a threshold that is no whole number from 1, a period that is no multiple
 *   of a minute up to a day, more datapoints than are evaluated.
 *
 * **Example** (Alarms that notify a topic)
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
 * Template.fromStack(stack).resourceCountIs("AWS::CloudWatch::Alarm", 4)
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
    const { alarmActions, circuit, namespace, okActions, service } = props
    const kinds = kindsOf({ service, circuit, namespace })
    const about = circuit === undefined ? service : `${service}, ${circuit}`
    // The keys of a literal are what its type says.
    this.alarms = (Object.keys(kinds) as Array<KindName>).flatMap((name) => {
      const settings = props[name] ?? {}
      return settings === false
        ? []
        : [makeAlarm(this, name, kinds[name], settings, { about, alarmActions, okActions })]
    })
  }
}
