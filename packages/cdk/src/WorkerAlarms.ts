/**
 * CloudWatch alarms on what a worker runs on: its function, its queue and its dead letters.
 *
 * @since 0.1.0
 */
import { Duration } from "aws-cdk-lib"
import { type Alarm, type IMetric, MathExpression, Metric, Stats } from "aws-cdk-lib/aws-cloudwatch"
import type { IFunction } from "aws-cdk-lib/aws-lambda"
import type { IQueue } from "aws-cdk-lib/aws-sqs"
import { Construct } from "constructs"
import { type AlarmActions, type AlarmKind, type AlarmSettings, makeAlarm } from "./internal/makeAlarm.ts"

/**
 * What is watched, and when an alarm goes off. Alarms on what is not given are left out; `false` leaves one out, too.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkerAlarmsProps extends AlarmActions {
  /** What descriptions of alarms call the worker. */
  readonly service: string
  readonly function?: IFunction | undefined
  readonly queue?: IQueue | undefined
  readonly deadLetterQueue?: IQueue | undefined
  /** Invocations fail: in 3 of the last 5 minutes unless set. */
  readonly errors?: AlarmSettings | false | undefined
  /** Lambda has no container for invocations: in 3 of the last 5 minutes unless set. */
  readonly throttles?: AlarmSettings | false | undefined
  /** Lambda took a message for part of a recursive loop and dropped it: in 1 of the last 5 minutes unless set. */
  readonly recursionDropped?: AlarmSettings | false | undefined
  /** The oldest message has waited for this many seconds: 14,400, 4 hours, in 1 of the last 3 periods of 5 minutes. */
  readonly oldestMessage?: AlarmSettings | false | undefined
  /** So many messages are received and neither deleted nor back: 100,000 of the 120,000 that SQS allows. */
  readonly messagesInFlight?: AlarmSettings | false | undefined
  /** There are dead letters: 1 unless set. */
  readonly deadLetters?: AlarmSettings | false | undefined
  /** There are more dead letters than a period before: 1 more in 1 of the last 3 periods of 5 minutes unless set. */
  readonly deadLettersGrow?: AlarmSettings | false | undefined
}

const minute = Duration.minutes(1)
const threeInFive = { threshold: 1, period: minute, datapointsToAlarm: 3, evaluationPeriods: 5 }
const late = { period: Duration.minutes(5), datapointsToAlarm: 1, evaluationPeriods: 3 }

const waiting = (queue: IQueue, period: Duration): IMetric =>
  queue.metricApproximateNumberOfMessagesVisible({ period, statistic: Stats.MAXIMUM })

const ofFunction = (worker: IFunction) => ({
  errors: {
    id: "Errors",
    metric: (period) => worker.metricErrors({ period }),
    settings: threeInFive,
    means: "Invocations of the function fail or time out. Its log says why."
  },
  throttles: {
    id: "Throttles",
    metric: (period) => worker.metricThrottles({ period }),
    settings: threeInFive,
    means: "Lambda starts no container for invocations: the function or the account is at its concurrency limit."
  },
  recursionDropped: {
    id: "RecursionDropped",
    metric: (period) =>
      new Metric({
        namespace: "AWS/Lambda",
        metricName: "RecursiveInvocationsDropped",
        dimensionsMap: { FunctionName: worker.functionName },
        statistic: Stats.SUM,
        period
      }),
    settings: { threshold: 1, period: minute, datapointsToAlarm: 1, evaluationPeriods: 5 },
    means:
      "Lambda took renewed messages for a recursive loop and dropped them. Set RecursiveLoop of the function to Allow."
  }
} satisfies Record<string, AlarmKind>)

const ofQueue = (queue: IQueue) => ({
  oldestMessage: {
    id: "OldestMessage",
    metric: (period) => queue.metricApproximateAgeOfOldestMessage({ period, statistic: Stats.MAXIMUM }),
    settings: { threshold: 14_400, ...late },
    means: "Messages wait long: the worker is too slow, or does not run. They are lost when the queue's retention ends."
  },
  messagesInFlight: {
    id: "MessagesInFlight",
    metric: (period) => queue.metricApproximateNumberOfMessagesNotVisible({ period, statistic: Stats.MAXIMUM }),
    settings: { threshold: 100_000, ...late },
    means:
      "Nearly as many messages are kept back as SQS allows for a queue, 120,000. Beyond that it hands out no message."
  }
} satisfies Record<string, AlarmKind>)

const ofDeadLetters = (queue: IQueue) => ({
  deadLetters: {
    id: "DeadLetters",
    metric: (period) => waiting(queue, period),
    settings: { threshold: 1, period: minute, datapointsToAlarm: 1, evaluationPeriods: 1 },
    means: "A message could not be handled. Its attributes say why; correct the cause and redrive the queue."
  },
  deadLettersGrow: {
    id: "DeadLettersGrow",
    metric: (period) =>
      new MathExpression({ expression: "DIFF(letters)", usingMetrics: { letters: waiting(queue, period) }, period }),
    settings: { threshold: 1, ...late },
    means: "There are more dead letters than a while ago: messages still fail."
  }
} satisfies Record<string, AlarmKind>)

type KindName =
  | keyof ReturnType<typeof ofFunction>
  | keyof ReturnType<typeof ofQueue>
  | keyof ReturnType<typeof ofDeadLetters>

/**
 * Alarms on what a worker runs on: failed and throttled invocations, dropped recursion, the age and the number of messages,
 * dead letters and their growth.
 *
 * **Details**
 *
 * The alarm on dead letters is on as long as there are any, so it says nothing of further ones; `deadLettersGrow` does.
 * Missing data is no alarm.
 *
 * **Gotchas**
 *
 * - The first dead letter is no growth, since SQS reports nothing of an idle queue: page for `deadLetters` as well.
 * - `oldestMessage` leaves out messages that were received three times, as SQS does: those that wait for an open circuit.
 * - Fails for settings that CloudWatch would refuse, as `CircuitAlarms` does.
 *
 * **Example** (A function and its queue)
 *
 * ```ts no-run
 * import { WorkerAlarms } from "@reclose/cdk"
 * import { Duration, type Stack } from "aws-cdk-lib"
 * import type { IFunction } from "aws-cdk-lib/aws-lambda"
 * import type { IQueue } from "aws-cdk-lib/aws-sqs"
 *
 * declare const stack: Stack
 * declare const worker: IFunction
 * declare const queue: IQueue
 *
 * new WorkerAlarms(stack, "WorkerAlarms", {
 *   service: "worker",
 *   function: worker,
 *   queue,
 *   oldestMessage: { threshold: Duration.hours(1).toSeconds() }
 * })
 * ```
 *
 * @category constructs
 * @since 0.1.0
 */
export class WorkerAlarms extends Construct {
  /** The alarms that were asked for. */
  readonly alarms: ReadonlyArray<Alarm>

  constructor(scope: Construct, id: string, props: WorkerAlarmsProps) {
    super(scope, id)
    const { alarmActions, deadLetterQueue, function: worker, okActions, queue, service } = props
    const kinds: Partial<Record<KindName, AlarmKind>> = {
      ...(worker === undefined ? {} : ofFunction(worker)),
      ...(queue === undefined ? {} : ofQueue(queue)),
      ...(deadLetterQueue === undefined ? {} : ofDeadLetters(deadLetterQueue))
    }
    // The keys of these literals are what their types say.
    this.alarms = (Object.entries(kinds) as Array<[KindName, AlarmKind]>).flatMap(([name, kind]) => {
      const settings = props[name] ?? {}
      return settings === false
        ? []
        : [makeAlarm(this, name, kind, settings, { about: service, alarmActions, okActions })]
    })
  }
}
