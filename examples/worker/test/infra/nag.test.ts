import { type Stack, Validations } from "aws-cdk-lib"
import { Queue } from "aws-cdk-lib/aws-sqs"
import { AwsSolutionsChecks } from "cdk-nag"
import { assert, describe, it } from "vitest"
import { workerStack } from "./support.ts"

const findings = (stack: Stack): Array<string> =>
  new AwsSolutionsChecks().validateScope(stack).violations.map(({ ruleName }) => ruleName)

/** What was let pass without a sentence that says why. */
const unjustified = (stack: Stack): ReadonlyArray<string> =>
  stack.node.findAll().flatMap(({ node }) =>
    node.metadata.filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
      // What CDK keeps under this key: a reason by rule.
      .flatMap(({ data }) => Object.entries(data as Record<string, string>))
      .flatMap(([rule, reason]) => reason.trim().split(/\s+/).length < 5 ? [`${node.path}: ${rule}`] : [])
  )

/** Without encryption and TLS: what the rules find wrong first. */
const careless = (): readonly [Stack, Queue] => {
  const stack = workerStack()
  return [stack, new Queue(stack, "Careless")]
}

describe("the rules of AWS Solutions", () => {
  it("find nothing in the worker's stack", () => {
    assert.deepStrictEqual(findings(workerStack()), [])
  })

  it("have nothing let pass without a reason", () => {
    assert.deepStrictEqual(unjustified(workerStack()), [])
  })

  it("find what is careless", () => {
    assert.sameMembers(findings(careless()[0]), ["AwsSolutions-SQS3", "AwsSolutions-SQS4"])
  })

  it("notice what was let pass without a reason", () => {
    const [stack, queue] = careless()
    Validations.of(queue).acknowledge(
      { id: "AwsSolutions-SQS3", reason: "Messages of this queue are not worth keeping once they failed." },
      { id: "AwsSolutions-SQS4", reason: "later" }
    )
    assert.deepStrictEqual(findings(stack), [])
    assert.lengthOf(unjustified(stack), 1)
    assert.match(unjustified(stack)[0] ?? "", /^Worker\/Careless: .*AwsSolutions-SQS4$/)
  })
})
