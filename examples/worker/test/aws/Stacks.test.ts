import { assert, describe, it } from "vitest"
import { makeStacks, type ResourceType, type Stack } from "./Stacks.ts"

/** Things that remember what was done to them. */
const world = () => {
  const done: Array<string> = []
  const thing: ResourceType = {
    properties: { Size: "updates", Kind: "replaces" },
    create: ({ name, properties }) => {
      if (properties["Size"] === "too large") throw new Error("it is too large")
      done.push(`create ${name.split("-")[1]}`)
      return { id: name, attributes: { Arn: `arn:${name}` } }
    },
    update: (made) => {
      done.push(`update ${made.id.split("-")[1]}`)
      return made
    },
    remove: (made) => void done.push(`remove ${made.id.split("-")[1]}`)
  }
  const stacks = makeStacks({
    account: "123456789012",
    region: "eu-central-1",
    types: { Thing: thing },
    stored: new Map([["/version", "30"]])
  })
  const stack = stacks.open("Test")
  const deploy = async (resources: object, more: object = {}): Promise<string> => {
    const template = JSON.stringify({ Resources: resources, ...more })
    stacks.deploy(stack, { template, parameters: {} })
    await stack.settled
    return stack.status
  }
  return { deploy, done, stack, stacks }
}

const thing = (Properties: object = {}, more: object = {}) => ({ Type: "Thing", Properties, ...more })

const idOf = (stack: Stack, name: string) => stack.resources.get(name)?.id

describe("a stack", () => {
  it("is made in order, and removed in the reverse order", async () => {
    const { deploy, done, stack, stacks } = world()
    assert.strictEqual(await deploy({ A: thing({ Size: { Ref: "B" } }), B: thing() }), "CREATE_COMPLETE")
    stacks.remove(stack)
    await stack.settled
    assert.deepStrictEqual(done, ["create B", "create A", "remove A", "remove B"])
    assert.isUndefined(stacks.find("Test"))
  })

  it("changes what changed, replaces what has to be, and removes what is gone", async () => {
    const { deploy, done, stack } = world()
    await deploy({ A: thing({ Size: 1 }), B: thing({ Kind: "old" }), C: thing(), D: thing() })
    const [a, b] = [idOf(stack, "A"), idOf(stack, "B")]
    done.length = 0
    assert.strictEqual(
      await deploy({ A: thing({ Size: 2 }), B: thing({ Kind: "new" }), C: thing() }),
      "UPDATE_COMPLETE"
    )
    assert.deepStrictEqual(done, ["update A", "create B", "remove B", "remove D"])
    assert.strictEqual(idOf(stack, "A"), a)
    assert.notStrictEqual(idOf(stack, "B"), b)
  })

  it("leaves what is to be kept", async () => {
    const { deploy, done } = world()
    const kept = { DeletionPolicy: "Retain", UpdateReplacePolicy: "Retain" }
    await deploy({ A: thing({}, kept), B: thing({ Kind: "old" }, kept) })
    await deploy({ B: thing({ Kind: "new" }, kept) })
    assert.deepStrictEqual(done, ["create A", "create B", "create B"])
  })

  it("is gone when it could not be made", async () => {
    const { deploy, done, stack } = world()
    assert.strictEqual(await deploy({ A: thing(), B: thing({ Size: "too large" }) }), "ROLLBACK_COMPLETE")
    assert.deepStrictEqual(done, ["create A", "remove A"])
    assert.isTrue(stack.events.some(({ reason, status }) => status === "CREATE_FAILED" && reason === "it is too large"))
  })

  it("is what it was when it could not be changed", async () => {
    const { deploy, stack } = world()
    await deploy({ A: thing({ Size: 1 }) })
    assert.strictEqual(
      await deploy({ A: thing({ Size: 2 }), B: thing({ Size: "too large" }) }),
      "UPDATE_ROLLBACK_COMPLETE"
    )
    assert.deepStrictEqual([...stack.resources.keys()], ["A"])
    assert.deepStrictEqual(stack.resources.get("A")?.properties, { Size: 1 })
  })

  it.each<readonly [what: string, resources: object, reason: string]>([
    ["a type", { A: { Type: "Other" } }, "resource A is a Other, which this server does not know"],
    ["a property", { A: thing({ Color: "red" }) }, "A: Color of Thing are not known here"],
    ["an attribute", { A: thing(), B: thing({ Size: { "Fn::GetAtt": ["A", "Url"] } }) }, "A has no attribute Url"],
    ["a reference", { A: thing({ Size: { Ref: "Nothing" } }) }, "Unresolved resource dependencies [Nothing]"]
  ])("is refused for %s that is not known", async (_, resources, reason) => {
    const { deploy, stack } = world()
    assert.strictEqual(await deploy(resources), "ROLLBACK_COMPLETE")
    assert.isTrue(stack.events.some((event) => event.reason?.includes(reason)))
  })

  it("is refused when a rule does not hold for a stored parameter", async () => {
    const rules = (versions: ReadonlyArray<string>) => ({
      Parameters: { Version: { Type: "AWS::SSM::Parameter::Value<String>", Default: "/version" } },
      Rules: {
        Check: {
          Assertions: [{
            Assert: { "Fn::Not": [{ "Fn::Contains": [versions, { Ref: "Version" }] }] },
            AssertDescription: "bootstrap anew"
          }]
        }
      }
    })
    assert.strictEqual(await world().deploy({ A: thing() }, rules(["1", "2"])), "CREATE_COMPLETE")
    assert.strictEqual(await world().deploy({ A: thing() }, rules(["30"])), "ROLLBACK_COMPLETE")
  })
})
