/** What each alarm of the worker's stack does, minute by minute, when something happens. */
import { Template } from "aws-cdk-lib/assertions"
import { assert, describe, it } from "vitest"
import { makeCloudWatch } from "../aws/CloudWatch.ts"
import { workerStack } from "./support.ts"

const start = 1_800_000_000_000

type Metrics = Readonly<Record<string, number>>

/** What is written in each minute, from the first on. Of what has a slash, the part before it is the namespace. */
type Timeline = ReadonlyArray<Metrics>

const alarmsOf = (): ReadonlyArray<readonly [string, Readonly<Record<string, unknown>>]> =>
  Object.entries(Template.fromStack(workerStack()).findResources("AWS::CloudWatch::Alarm"))
    .map(([id, { Properties }]) => [id.replace(/^(Circuit|Worker)Alarms|[0-9A-F]{8}$/g, ""), resolved(Properties)])

/** Stands for the names that CloudFormation would put in. */
const resolved = (value: unknown): Readonly<Record<string, unknown>> =>
  JSON.parse(
    JSON.stringify(value, (_, inner) =>
      typeof inner === "object" && inner !== null && ("Ref" in inner || "Fn::GetAtt" in inner)
        ? String(inner["Ref"] ?? inner["Fn::GetAtt"][0]).replace(/[0-9A-F]{8}$/, "")
        : inner)
  )

const dimensionsOf = (namespace: string, name: string, service: string): Readonly<Record<string, string>> => {
  switch (namespace) {
    case "Reclose":
      return { service }
    case "AWS/Lambda":
      return { FunctionName: "Function" }
    default:
      return { QueueName: name.startsWith("Dead") ? "DeadLetters" : "Queue" }
  }
}

/** When each alarm changes its state, in minutes. `lateness` is by how many minutes data comes late. */
const changes = (
  timeline: Timeline,
  options: { readonly service?: string; readonly lateness?: number; readonly minutes?: number } = {}
): Readonly<Record<string, ReadonlyArray<string>>> => {
  const { lateness = 0, minutes = timeline.length + 70, service = "worker" } = options
  const found: Record<string, Array<string>> = {}
  const alarms = alarmsOf()
  const states = new Map<string, string>()
  const cloudWatch = makeCloudWatch(() => undefined)
  for (let minute = 0; minute < minutes; minute++) {
    for (const [metric, value] of Object.entries(timeline[minute - lateness] ?? {})) {
      const [first = "", second] = metric.split("|")
      const [namespace, name] = second === undefined ? ["Reclose", first] : [first, second]
      const dimensions = dimensionsOf(namespace, name, service)
      const metricName = name.replace(/^Dead/, "")
      cloudWatch.put({ namespace, name: metricName, dimensions, value, time: start + (minute - lateness) * 60_000 })
    }
    for (const [id, alarm] of alarms) {
      const state = cloudWatch.stateOf(alarm, start + minute * 60_000)
      if (state === (states.get(id) ?? "OK")) continue
      states.set(id, state)
      found[id] = [...found[id] ?? [], `${state} at ${minute}`]
    }
  }
  return found
}

const minutes = (count: number, of: (minute: number) => Metrics): Timeline =>
  Array.from({ length: count }, (_, i) => of(i))

const opened = { CircuitOpened: 1, OpenCircuits: 1 }
const stillDown = { CircuitOpened: 1, RecoveryFailed: 1, OpenCircuits: 1 }
const rejecting = { OpenCircuits: 1 }
const closed = { CircuitClosed: 1, OpenCircuits: 0 }
const healthy = { OpenCircuits: 0 }

describe("one outage", () => {
  it("of one minute pages once, and says that it is over once calls run again", () => {
    assert.deepStrictEqual(changes([healthy, opened, closed, healthy]), {
      Opened: ["ALARM at 1", "OK at 6"],
      Rejecting: ["ALARM at 1", "OK at 2"]
    })
  })

  it("of an hour in which every recovery fails pages once for the opening, and is not over before the circuit is closed", () => {
    const timeline = [opened, ...minutes(60, (i) => i % 2 === 0 ? stillDown : rejecting), closed]
    assert.deepStrictEqual(changes(timeline, { minutes: 180 }), {
      Opened: ["ALARM at 0", "OK at 5"],
      Rejecting: ["ALARM at 0", "OK at 61"],
      RecoveryFailed: ["ALARM at 5", "OK at 115"]
    })
  })

  it("without further calls stays what it was: nothing says that it is over", () => {
    assert.deepStrictEqual(changes([opened]), { Opened: ["ALARM at 0", "OK at 5"], Rejecting: ["ALARM at 0"] })
  })

  it("whose data comes four minutes late pages as well", () => {
    const { Opened } = changes([opened, closed], { lateness: 4 })
    assert.deepStrictEqual(Opened, ["ALARM at 4", "OK at 5"])
  })

  it("of another service pages nobody here", () => {
    assert.deepStrictEqual(changes([opened, stillDown, closed], { service: "other" }), {})
  })
})

describe("many circuits", () => {
  it("that open once each in one minute page once, and are no circuit that opens again and again", () => {
    assert.deepStrictEqual(changes([{ CircuitOpened: 6, OpenCircuits: 6 }, { CircuitClosed: 6, OpenCircuits: 0 }]), {
      Opened: ["ALARM at 0", "OK at 5"],
      Rejecting: ["ALARM at 0", "OK at 1"]
    })
  })
})

describe("a second circuit", () => {
  it("that opens while another one is open pages again once the first page is over", () => {
    const timeline = [opened, ...minutes(20, () => rejecting), { CircuitOpened: 1, OpenCircuits: 2 }, closed]
    const { Opened, Rejecting } = changes(timeline)
    assert.deepStrictEqual(Opened, ["ALARM at 0", "OK at 5", "ALARM at 21", "OK at 26"])
    assert.deepStrictEqual(Rejecting, ["ALARM at 0", "OK at 22"])
  })
})

describe("a circuit that flaps", () => {
  it("is reported as one, once", () => {
    const flap = [{ CircuitOpened: 1, CircuitReopened: 1, OpenCircuits: 1 }, closed]
    const { OpenedRepeatedly } = changes([opened, closed, ...flap, ...flap, ...flap])
    assert.deepStrictEqual(OpenedRepeatedly, ["ALARM at 6", "OK at 62"])
  })
})

describe("the store", () => {
  it("is unavailable when it fails for three minutes, however many circuits there are", () => {
    assert.deepStrictEqual(changes(minutes(10, () => ({ StoreFailures: 40 }))), {
      StoreUnavailable: ["ALARM at 2", "OK at 12"]
    })
  })

  it("that fails at each call is not reported for a function that runs every third minute: it needs a longer period", () => {
    assert.deepStrictEqual(changes(minutes(30, (i): Metrics => i % 3 === 0 ? { StoreFailures: 1 } : {})), {})
  })

  it("is not unavailable when forty circuits meet one slow minute", () => {
    assert.deepStrictEqual(changes([{ StoreFailures: 40 }, { StoreFailures: 40 }]), {})
  })
})

describe("what the worker runs on", () => {
  it("has too few containers for three minutes", () => {
    assert.deepStrictEqual(changes(minutes(6, () => ({ "AWS/Lambda|Throttles": 3 }))), {
      Throttles: ["ALARM at 2", "OK at 8"]
    })
  })

  it("fails for three minutes of five, and not for one", () => {
    assert.deepStrictEqual(changes([{ "AWS/Lambda|Errors": 50 }]), {})
    assert.deepStrictEqual(changes(minutes(5, (i): Metrics => i % 2 === 0 ? { "AWS/Lambda|Errors": 1 } : {})), {
      Errors: ["ALARM at 4", "OK at 5"]
    })
  })

  it("is taken for a recursive loop", () => {
    assert.deepStrictEqual(changes([{ "AWS/Lambda|RecursiveInvocationsDropped": 1 }]), {
      RecursionDropped: ["ALARM at 0", "OK at 5"]
    })
  })

  it("lets messages wait for four hours", () => {
    const { OldestMessage } = changes(minutes(300, (i) => ({ "AWS/SQS|ApproximateAgeOfOldestMessage": i * 60 })))
    assert.deepStrictEqual(OldestMessage, ["ALARM at 240", "OK at 314"])
  })

  it("keeps back nearly as many messages as SQS allows", () => {
    const { MessagesInFlight } = changes([{ "AWS/SQS|ApproximateNumberOfMessagesNotVisible": 110_000 }])
    assert.deepStrictEqual(MessagesInFlight, ["ALARM at 0", "OK at 15"])
  })
})

describe("dead letters", () => {
  it("are reported as long as there are any, and each time there are more", () => {
    const letters = (minute: number): number => minute < 10 ? 0 : minute < 60 ? 1 : minute < 90 ? 4 : 0
    const { DeadLetters, DeadLettersGrow } = changes(
      minutes(120, (i) => ({ "AWS/SQS|DeadApproximateNumberOfMessagesVisible": letters(i) }))
    )
    assert.deepStrictEqual(DeadLetters, ["ALARM at 10", "OK at 90"])
    assert.deepStrictEqual(DeadLettersGrow, ["ALARM at 10", "OK at 25", "ALARM at 60", "OK at 75"])
  })

  it("that come first, into a queue of which SQS reported nothing, are reported as dead letters and not as growth", () => {
    const { DeadLetters, DeadLettersGrow } = changes(
      minutes(40, (i): Metrics => i < 10 ? {} : { "AWS/SQS|DeadApproximateNumberOfMessagesVisible": 1 })
    )
    assert.deepStrictEqual(DeadLetters, ["ALARM at 10", "OK at 40"])
    assert.isUndefined(DeadLettersGrow)
  })
})
