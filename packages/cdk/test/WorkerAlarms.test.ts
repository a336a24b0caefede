import { Template } from "aws-cdk-lib/assertions"
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions"
import { Code, Function, Runtime } from "aws-cdk-lib/aws-lambda"
import { Topic } from "aws-cdk-lib/aws-sns"
import { Queue } from "aws-cdk-lib/aws-sqs"
import { assert, describe, it } from "vitest"
import { WorkerAlarms, type WorkerAlarmsProps } from "../src/index.ts"
import { newStack } from "./support.ts"

const everything = (props: Partial<WorkerAlarmsProps> = {}) => {
  const stack = newStack()
  const action = new SnsAction(new Topic(stack, "OnCall"))
  new WorkerAlarms(stack, "Alarms", {
    service: "worker",
    function: new Function(stack, "Function", {
      runtime: Runtime.NODEJS_24_X,
      handler: "index.handler",
      code: Code.fromInline("exports.handler = async () => {}")
    }),
    queue: new Queue(stack, "Queue"),
    deadLetterQueue: new Queue(stack, "DeadLetters"),
    alarmActions: [action],
    okActions: [action],
    ...props
  })
  return Object.values(Template.fromStack(stack).findResources("AWS::CloudWatch::Alarm")).map(({ Properties }) =>
    Properties
  )
}

describe("the alarms on what a worker runs on", () => {
  it("watch function, queue and dead letters, and notify of each change", () => {
    const alarms = everything()
    assert.deepStrictEqual(
      alarms.map(({ MetricName, Metrics, Threshold }) => [MetricName ?? Metrics[0].Expression, Threshold]),
      [
        ["Errors", 1],
        ["Throttles", 1],
        ["RecursiveInvocationsDropped", 1],
        ["ApproximateAgeOfOldestMessage", 14_400],
        ["ApproximateNumberOfMessagesNotVisible", 100_000],
        ["ApproximateNumberOfMessagesVisible", 1],
        ["DIFF(letters)", 1]
      ]
    )
    for (const { AlarmActions, AlarmDescription, OKActions } of alarms) {
      assert.lengthOf(AlarmActions, 1)
      assert.deepStrictEqual(AlarmActions, OKActions)
      assert.match(AlarmDescription, /^worker: .{40,}/)
    }
  })

  it("are left out for what is not given, or not wanted", () => {
    assert.lengthOf(everything({ function: undefined, queue: undefined }), 2)
    assert.lengthOf(everything({ errors: false, oldestMessage: false, deadLettersGrow: false }), 4)
  })

  it("refuse what CloudWatch would refuse, under the name of the option", () => {
    assert.throws(() => everything({ oldestMessage: { threshold: 0.5 } }), "oldestMessage.threshold is 0.5")
  })
})
