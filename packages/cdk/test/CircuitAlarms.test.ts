import { Duration, type Stack } from "aws-cdk-lib"
import { Template } from "aws-cdk-lib/assertions"
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions"
import { Topic } from "aws-cdk-lib/aws-sns"
import { assert, describe, it } from "vitest"
import { CircuitAlarms, type CircuitAlarmsProps } from "../src/index.ts"
import { newStack } from "./support.ts"

const inStack = (props: Partial<CircuitAlarmsProps> = {}) => {
  const stack = newStack()
  new CircuitAlarms(stack, "Alarms", { service: "worker", ...props })
  return alarmsOf(stack)
}

const alarmsOf = (stack: Stack) =>
  Object.values(Template.fromStack(stack).findResources("AWS::CloudWatch::Alarm")).map(({ Properties }) => Properties)

describe("the alarms", () => {
  const Dimensions = [{ Name: "service", Value: "worker" }]
  const common = { ComparisonOperator: "GreaterThanOrEqualToThreshold", TreatMissingData: "notBreaching" }
  const metric = (MetricName: string, Period: number) => ({ MetricName, Namespace: "Reclose", Dimensions, Period })
  const datapoints = (DatapointsToAlarm: number, EvaluationPeriods: number) => ({
    DatapointsToAlarm,
    EvaluationPeriods
  })
  const withoutWords = ({ AlarmDescription: _AlarmDescription, ...rest }: Record<string, unknown>) => rest

  it("go off when a circuit rejects, recoveries fail, circuits open again and again, or the store fails", () => {
    assert.deepStrictEqual(inStack({ opened: false }).map(withoutWords), [
      {
        ...common,
        ...metric("OpenCircuits", 60),
        ...datapoints(1, 1),
        Statistic: "Maximum",
        Threshold: 1,
        TreatMissingData: "ignore"
      },
      { ...common, ...metric("RecoveryFailed", 3600), ...datapoints(1, 1), Statistic: "Sum", Threshold: 3 },
      { ...common, ...metric("CircuitReopened", 3600), ...datapoints(1, 1), Statistic: "Sum", Threshold: 3 },
      { ...common, ...metric("StoreFailures", 60), ...datapoints(3, 5), Statistic: "Sum", Threshold: 1 }
    ])
  })

  it("go off when a closed circuit opens, however often a recovery fails", () => {
    const [alarm] = inStack()
    const { Metrics, ...rest } = withoutWords(alarm ?? {})
    assert.deepStrictEqual(rest, { ...common, ...datapoints(1, 5), Threshold: 1 })
    const of = (Id: string, MetricName: string) => {
      const { Period, ...Metric } = metric(MetricName, 60)
      return { Id, MetricStat: { Metric, Period, Stat: "Sum" }, ReturnData: false }
    }
    assert.deepStrictEqual(Metrics, [
      { Id: "expr_1", Expression: "opened - FILL(failed, 0)", ReturnData: true },
      of("opened", "CircuitOpened"),
      of("failed", "RecoveryFailed")
    ])
  })

  it("tell which service they are about, and what they mean", () => {
    for (const { AlarmDescription } of inStack()) assert.match(AlarmDescription, /^worker: .{40,}/)
    for (const { AlarmDescription } of inStack({ circuit: "quotes" })) {
      assert.match(AlarmDescription, /^worker, quotes: /)
    }
  })

  it("can be those of one circuit, and of another namespace", () => {
    const both = [{ Name: "service", Value: "worker" }, { Name: "circuit", Value: "quotes" }]
    const alarms = inStack({ circuit: "quotes", namespace: "Fleet" })
    assert.lengthOf(alarms, 5)
    for (const alarm of alarms) {
      const text = JSON.stringify(alarm)
      assert.include(text, `"Namespace":"Fleet"`)
      for (const dimension of both) assert.include(text, JSON.stringify(dimension))
    }
  })

  it("take other thresholds and periods, and can be left out one by one", () => {
    const alarms = inStack({
      opened: false,
      rejecting: false,
      recoveryFailed: { threshold: 7 },
      openedRepeatedly: false,
      storeUnavailable: { period: Duration.hours(6), evaluationPeriods: 2 }
    })
    assert.deepStrictEqual(
      alarms.map(({ DatapointsToAlarm, EvaluationPeriods, MetricName, Period, Threshold }) => [
        MetricName,
        Period,
        Threshold,
        DatapointsToAlarm,
        EvaluationPeriods
      ]),
      [["RecoveryFailed", 3600, 7, 1, 1], ["StoreFailures", 21600, 1, 2, 2]]
    )
  })

  it("tell a topic when they go off and when they are over", () => {
    const stack = newStack()
    const action = new SnsAction(new Topic(stack, "OnCall"))
    new CircuitAlarms(stack, "Alarms", { service: "worker", alarmActions: [action], okActions: [action] })
    const [topic] = Object.keys(Template.fromStack(stack).findResources("AWS::SNS::Topic"))
    const alarms = alarmsOf(stack)
    assert.lengthOf(alarms, 5)
    for (const { AlarmActions, OKActions } of alarms) {
      assert.deepStrictEqual(AlarmActions, [{ Ref: topic }])
      assert.deepStrictEqual(OKActions, [{ Ref: topic }])
    }
  })

  it.each([0, -1, 1.5, Number.NaN])("refuse a threshold of %s", (threshold) => {
    assert.throws(
      () => inStack({ opened: { threshold } }),
      `opened.threshold is ${threshold}: it has to be a whole number from 1`
    )
  })

  it.each([[Duration.seconds(30), 30], [Duration.seconds(90), 90], [Duration.hours(25), 90_000]])(
    "refuse a period of %s",
    (period, seconds) => {
      assert.throws(
        () => inStack({ storeUnavailable: { period } }),
        `storeUnavailable.period is ${seconds} seconds: it has to be a multiple of a minute, up to a day`
      )
    }
  )

  it.each([
    [{ evaluationPeriods: 0 }, "opened.evaluationPeriods is 0"],
    [{ evaluationPeriods: 1_441 }, "1441 periods of 60 seconds may last a day at most"],
    [
      { datapointsToAlarm: 6 },
      "opened.datapointsToAlarm is 6: it has to be a whole number from 1 to evaluationPeriods, 5"
    ],
    [{ datapointsToAlarm: 0 }, "opened.datapointsToAlarm is 0"]
  ])("refuse datapoints that CloudWatch would refuse: %o", (opened, message) => {
    assert.throws(() => inStack({ opened }), message)
  })
})
