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
  const common = {
    EvaluationPeriods: 1,
    ComparisonOperator: "GreaterThanOrEqualToThreshold",
    TreatMissingData: "notBreaching"
  }
  const Dimensions = [{ Name: "service", Value: "worker" }]
  const metric = (MetricName: string, Period: number) => ({ MetricName, Namespace: "Reclose", Dimensions, Period })

  it("go off when a circuit opens, a recovery fails, or the store fails", () => {
    const alarms = inStack({ openedRepeatedly: false })
    assert.deepStrictEqual(alarms.map(({ AlarmDescription: _AlarmDescription, ...rest }) => rest), [
      { ...common, ...metric("CircuitOpened", 60), Statistic: "Sum", Threshold: 1 },
      { ...common, ...metric("RecoveryFailed", 300), Statistic: "Sum", Threshold: 1 },
      { ...common, ...metric("StoreFailures", 300), Statistic: "Sum", Threshold: 5 }
    ])
  })

  it("go off when closed circuits open again and again, however often a recovery fails", () => {
    const [alarm] = inStack({ opened: false, recoveryFailed: false, storeUnavailable: false })
    const { AlarmDescription: _AlarmDescription, Metrics, ...rest } = alarm ?? {}
    assert.deepStrictEqual(rest, { ...common, Threshold: 5 })
    const of = (Id: string, MetricName: string) => {
      const { Period, ...Metric } = metric(MetricName, 3600)
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
    assert.lengthOf(alarms, 4)
    for (const alarm of alarms) {
      const text = JSON.stringify(alarm)
      assert.include(text, `"Namespace":"Fleet"`)
      for (const dimension of both) assert.include(text, JSON.stringify(dimension))
    }
  })

  it("take other thresholds and periods, and can be left out one by one", () => {
    const alarms = inStack({
      opened: false,
      recoveryFailed: { threshold: 3 },
      openedRepeatedly: false,
      storeUnavailable: { period: Duration.hours(6) }
    })
    assert.deepStrictEqual(alarms.map(({ MetricName, Period, Threshold }) => [MetricName, Period, Threshold]), [
      ["RecoveryFailed", 300, 3],
      ["StoreFailures", 21600, 5]
    ])
  })

  it("tell a topic when they go off and when they are over", () => {
    const stack = newStack()
    const action = new SnsAction(new Topic(stack, "OnCall"))
    new CircuitAlarms(stack, "Alarms", { service: "worker", alarmActions: [action], okActions: [action] })
    const [topic] = Object.keys(Template.fromStack(stack).findResources("AWS::SNS::Topic"))
    const alarms = alarmsOf(stack)
    assert.lengthOf(alarms, 4)
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
})
