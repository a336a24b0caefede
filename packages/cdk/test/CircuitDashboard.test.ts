import { Duration, type Stack } from "aws-cdk-lib"
import { Template } from "aws-cdk-lib/assertions"
import { Code, Function, Runtime } from "aws-cdk-lib/aws-lambda"
import { LogGroup } from "aws-cdk-lib/aws-logs"
import { Queue } from "aws-cdk-lib/aws-sqs"
import { assert, describe, it } from "vitest"
import { CircuitAlarms, CircuitDashboard, type CircuitDashboardProps, CircuitMetrics } from "../src/index.ts"
import { newStack } from "./support.ts"

interface Widget {
  readonly type: string
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  readonly properties: {
    readonly title: string
    readonly metrics?: ReadonlyArray<ReadonlyArray<unknown>>
    readonly stacked?: boolean
    readonly query?: string
  }
}

/** The body as CloudWatch gets it, with the names of resources for what is not known yet. */
const widgetsOf = (stack: Stack): ReadonlyArray<Widget> => {
  const [dashboard] = Object.values(Template.fromStack(stack).findResources("AWS::CloudWatch::Dashboard"))
  const body = dashboard?.Properties.DashboardBody
  const text = typeof body === "string"
    ? body
    : body["Fn::Join"][1].map((part: unknown) => typeof part === "string" ? part : "unknown").join("")
  return JSON.parse(text).widgets
}

const inStack = (more: (stack: Stack) => Partial<CircuitDashboardProps> = () => ({})) => {
  const stack = newStack()
  new CircuitDashboard(stack, "Dashboard", { service: "worker", ...more(stack) })
  return widgetsOf(stack)
}

const everything = () =>
  inStack((stack) => ({
    alarms: new CircuitAlarms(stack, "Alarms", { service: "worker" }).alarms,
    queue: new Queue(stack, "Queue"),
    deadLetterQueue: new Queue(stack, "DeadLetters"),
    function: new Function(stack, "Worker", {
      runtime: Runtime.NODEJS_24_X,
      handler: "index.handler",
      code: Code.fromInline("exports.handler = async () => {}")
    })
  }))

const titles = (widgets: ReadonlyArray<Widget>) => widgets.map(({ properties }) => properties.title)

describe("the dashboard", () => {
  it("shows the circuits of a service", () => {
    assert.deepStrictEqual(titles(inStack()), [
      "Open circuits",
      "Changes",
      "Calls by outcome",
      "Rejected by circuit",
      "Opened by circuit",
      "Failures of the store"
    ])
  })

  it("shows alarms, queues and the function when given", () => {
    const shown = titles(everything())
    assert.strictEqual(shown[0], "Circuits of worker")
    assert.deepStrictEqual(shown.slice(-5), [
      "Queue",
      "Age of the oldest message",
      "Dead letters",
      "Duration of invocations",
      "Invocations"
    ])
  })

  it("shows every metric that there is", () => {
    const text = JSON.stringify(inStack())
    for (const name of Object.values(CircuitMetrics.names)) assert.include(text, name)
  })

  it("reads metrics under the service, in the period asked for", () => {
    const [, changes] = inStack(() => ({ namespace: "Fleet", period: Duration.minutes(10) }))
    assert.deepStrictEqual(changes?.properties.metrics?.[0], [
      "Fleet",
      "CircuitOpened",
      "service",
      "worker",
      { label: "opened", period: 600, stat: "Sum" }
    ])
  })

  it("shows each open circuit of the service, so that three are three", () => {
    const [open] = inStack()
    assert.strictEqual(open?.properties.stacked, true)
    assert.deepInclude(open?.properties.metrics?.[0]?.[0], {
      expression:
        `SEARCH('{"Reclose","service","circuit"} MetricName="OpenCircuits" "service"="worker"', 'Maximum', 60)`
    })
  })

  it("shows why the store fails, from the log that is given", () => {
    const isLog = ({ type }: { readonly type: string }) => type === "log"
    assert.isUndefined(inStack().find(isLog))
    const log = inStack((stack) => ({ logGroup: new LogGroup(stack, "Logs") })).find(isLog)
    assert.include(JSON.stringify(log), "storeFailures.0.reason as reason")
    assert.include(log?.properties.query, `service = "worker"`)
  })

  it("has full rows of widgets that don't overlap", () => {
    const widgets = everything()
    for (const y of new Set(widgets.map(({ y }) => y))) {
      const row = widgets.filter((widget) => widget.y === y)
      assert.strictEqual(row.reduce((sum, { width }) => sum + width, 0), 24)
      assert.strictEqual(new Set(row.map(({ x }) => x)).size, row.length)
    }
  })
})
