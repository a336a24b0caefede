import { assert, describe, it } from "vitest"
import { readContext } from "../../infra/context.ts"

const read = (context: Readonly<Record<string, unknown>>) => {
  const all: Readonly<Record<string, unknown>> = { origins: ["https://quotes.example"], ...context }
  return readContext((name) => all[name])
}

const mistakesIn = (context: Readonly<Record<string, unknown>>): Promise<string> =>
  read(context).then(() => "none", (error: Error) => error.message)

describe("the context", () => {
  it.each(["eu-central-1", "us-gov-west-1", "us-isob-east-1", "eu-isoe-west-1", "eusc-de-east-1"])(
    "accepts the region %s",
    async (region) => {
      assert.strictEqual((await read({ region })).region, region)
    }
  )

  it("takes an empty policy on the command line for none", async () => {
    assert.deepStrictEqual((await read({ policy: "" })).policy, {})
  })

  it("refuses a service under which no metric can be written, together with every other mistake", async () => {
    const found = await mistakesIn({ service: " ", maxReceiveCount: "abc" })
    assert.include(found, `service is " ": it must be 1 to 255 characters that are not all blank`)
    assert.include(found, `maxReceiveCount is "abc"`)
  })

  it("refuses a topic of another region, in which CloudWatch would not find it", async () => {
    const alarmTopicArn = "arn:aws:sns:eu-west-1:123456789012:on-call"
    assert.strictEqual((await read({ region: "eu-west-1", alarmTopicArn })).alarmTopicArn, alarmTopicArn)
    assert.include(
      await mistakesIn({ region: "eu-central-1", alarmTopicArn }),
      "alarmTopicArn is of eu-west-1: it must be a topic of the stack's region, eu-central-1"
    )
  })

  it("refuses a policy that is too long for the variables of a function, and names policyFile", async () => {
    const keys = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`key-${i}`, { openDuration: "5 seconds" }]))
    assert.match(await mistakesIn({ policy: { circuits: { keys } } }), /policy and origins have \d+ bytes.*policyFile/)
  })
})
