/** Makes alarms of several kinds, all of one form. */
import type { Duration } from "aws-cdk-lib"
import {
  Alarm,
  ComparisonOperator,
  type IAlarmAction,
  type IMetric,
  TreatMissingData
} from "aws-cdk-lib/aws-cloudwatch"
import type { Construct } from "constructs"

/**
 * When one alarm goes off: when `threshold` is reached in `datapointsToAlarm` of the last `evaluationPeriods` periods.
 *
 * @category models
 * @since 0.1.0
 */
export interface AlarmSettings {
  /** A whole number from 1. */
  readonly threshold?: number | undefined
  /** A multiple of a minute, up to a day. */
  readonly period?: Duration | undefined
  /** A whole number from 1 to `evaluationPeriods`. */
  readonly datapointsToAlarm?: number | undefined
  /** A whole number from 1. All of them together last a day at most: that is CloudWatch's limit. */
  readonly evaluationPeriods?: number | undefined
}

/**
 * Whom an alarm notifies.
 *
 * @category models
 * @since 0.1.0
 */
export interface AlarmActions {
  /** What is done when an alarm goes off: nothing unless set. */
  readonly alarmActions?: ReadonlyArray<IAlarmAction> | undefined
  /** What is done when it is over: nothing unless set. */
  readonly okActions?: ReadonlyArray<IAlarmAction> | undefined
}

/** One kind of alarm with its defaults. */
export interface AlarmKind {
  readonly id: string
  readonly settings: { readonly [K in keyof AlarmSettings]-?: NonNullable<AlarmSettings[K]> }
  readonly treatMissingData?: TreatMissingData
  readonly means: string
  readonly metric: (period: Duration) => IMetric
}

/** Makes an alarm of a kind. Fails for settings that CloudWatch would refuse, under the name that the option has. */
export const makeAlarm = (
  scope: Construct,
  name: string,
  { id, means, metric, settings, treatMissingData = TreatMissingData.NOT_BREACHING }: AlarmKind,
  given: AlarmSettings,
  { about, alarmActions = [], okActions = [] }: AlarmActions & { readonly about: string }
): Alarm => {
  const { datapointsToAlarm, evaluationPeriods, period, threshold } = merge(settings, given)
  check(name, { datapointsToAlarm, evaluationPeriods, period, threshold })
  const alarm = new Alarm(scope, id, {
    metric: metric(period),
    threshold,
    evaluationPeriods,
    datapointsToAlarm,
    comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    treatMissingData,
    alarmDescription: `${about}: ${means}`
  })
  alarm.addAlarmAction(...alarmActions)
  alarm.addOkAction(...okActions)
  return alarm
}

const merge = (defaults: AlarmKind["settings"], given: AlarmSettings): AlarmKind["settings"] => {
  const evaluationPeriods = given.evaluationPeriods ?? defaults.evaluationPeriods
  return {
    threshold: given.threshold ?? defaults.threshold,
    period: given.period ?? defaults.period,
    evaluationPeriods,
    // A default that is more than what is evaluated was not meant for it.
    datapointsToAlarm: given.datapointsToAlarm ?? Math.min(defaults.datapointsToAlarm, evaluationPeriods)
  }
}

const check = (name: string, settings: AlarmKind["settings"]): void => {
  const { datapointsToAlarm, evaluationPeriods, period, threshold } = settings
  if (!Number.isSafeInteger(threshold) || threshold < 1) {
    throw new Error(`${name}.threshold is ${threshold}: it has to be a whole number from 1, or ${name}: false`)
  }
  const seconds = period.toSeconds({ integral: false })
  if (seconds < 60 || seconds > 86_400 || seconds % 60 !== 0) {
    throw new Error(`${name}.period is ${seconds} seconds: it has to be a multiple of a minute, up to a day`)
  }
  if (!Number.isSafeInteger(evaluationPeriods) || evaluationPeriods < 1 || evaluationPeriods * seconds > 86_400) {
    throw new Error(
      `${name}.evaluationPeriods is ${evaluationPeriods}: it has to be a whole number from 1, ` +
        `and ${evaluationPeriods} periods of ${seconds} seconds may last a day at most`
    )
  }
  if (!Number.isSafeInteger(datapointsToAlarm) || datapointsToAlarm < 1 || datapointsToAlarm > evaluationPeriods) {
    throw new Error(
      `${name}.datapointsToAlarm is ${datapointsToAlarm}: it has to be a whole number from 1 to evaluationPeriods, ` +
        `${evaluationPeriods}`
    )
  }
}
