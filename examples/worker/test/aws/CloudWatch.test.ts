import { CircuitAlarms } from "@reclose/cdk"
import { App, Stack } from "aws-cdk-lib"
import { Template } from "aws-cdk-lib/assertions"
import { assert, describe, it } from "vitest"
import { makeCloudWatch } from "./CloudWatch.ts"

const now = 1_800_000_000_000

const line = (metrics: Readonly<Record<string, number>>, secondsAgo = 0, service = "worker") =>
  JSON.stringify({
    _aws: {
      Timestamp: now - secondsAgo * 1000,
      CloudWatchMetrics: [{
        Namespace: "Reclose",
        Dimensions: [["service"]],
        Metrics: Object.keys(metrics).map((Name) => ({ Name, Unit: "Count" }))
      }]
    },
    service,
    ...metrics
  })

const alarms = (): Readonly<Record<string, Readonly<Record<string, unknown>>>> => {
  const stack = new Stack(new App({ builtinCloudFormationValidation: false }), "Test")
  new CircuitAlarms(stack, "Circuits", { service: "worker" })
  return Object.fromEntries(
    Object.entries(Template.fromStack(stack).findResources("AWS::CloudWatch::Alarm")).map(([id, { Properties }]) => [
      id.replace(/^Circuits|[0-9A-F]{8}$/g, ""),
      Properties
    ])
  )
}

const going = (...lines: ReadonlyArray<string>): ReadonlyArray<string> => {
  const cloudWatch = makeCloudWatch(() => undefined)
  lines.forEach(cloudWatch.ingest)
  return Object.entries(alarms()).filter(([, alarm]) => cloudWatch.stateOf(alarm, now) === "ALARM").map(([id]) => id)
}

describe("the alarms on circuits", () => {
  it("are silent while nothing happens, and for what is no metric", () => {
    assert.deepStrictEqual(going(), [])
    assert.deepStrictEqual(going(line({ CallsSucceeded: 7, CircuitOpened: 0 }), "a line of a log", "{}"), [])
  })

  it("tell of an opening for five minutes", () => {
    assert.deepStrictEqual(going(line({ CircuitOpened: 1 })), ["Opened"])
    assert.deepStrictEqual(going(line({ CircuitOpened: 1 }, 299)), ["Opened"])
    assert.deepStrictEqual(going(line({ CircuitOpened: 1 }, 301)), [])
  })

  it("leave the openings of another service alone", () => {
    assert.deepStrictEqual(going(line({ CircuitOpened: 1 }, 0, "other")), [])
  })

  it("are an error for whatever this server can't evaluate", () => {
    const cloudWatch = makeCloudWatch(() => undefined)
    const { Opened = {} } = alarms()
    assert.throws(() => cloudWatch.stateOf({ ...Opened, TreatMissingData: "breaching" }, now))
    assert.throws(() => cloudWatch.stateOf({ ...Opened, ComparisonOperator: "LessThanThreshold" }, now))
  })
})
