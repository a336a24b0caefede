import { DynamoDBClient, ScanCommand } from "@aws-sdk/client-dynamodb"
import { Effect, Exit, Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as Upstream from "../../src/local/Upstream.ts"
import { type Account, isRunnable, startAccount } from "../aws/Account.ts"
import type { Stack } from "../aws/Stacks.ts"
import { cdk } from "./Cli.ts"

const scope = Scope.makeUnsafe()
const folder = mkdtempSync(join(tmpdir(), "reclose-deploy-"))
let account: Account
let upstream: Upstream.Upstream

beforeAll(async () => {
  if (!isRunnable) return
  account = await Effect.runPromise(Scope.provide(startAccount, scope))
  upstream = await Effect.runPromise(Scope.provide(Upstream.serve(), scope))
})

afterAll(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
  rmSync(folder, { recursive: true })
})

/** One failure opens a circuit for longer than the test takes. */
const policy = {
  circuits: {
    tripRule: { _tag: "Consecutive", failures: 1 },
    openDuration: "10 minutes",
    // The emulator shares this machine with the CLI.
    hydrateTimeout: "2 seconds",
    storeTimeout: "2 seconds"
  }
}

const run = async (command: ReadonlyArray<string>, ...context: ReadonlyArray<string>) => {
  const ran = await cdk({
    home: join(folder, "home"),
    endpoint: account.endpoint,
    credentials: account.credentials,
    // synth.test.ts has asked them about this template.
    validates: false,
    arguments: [
      ...command,
      "--output",
      join(folder, "cdk.out"),
      ...[`origins=${upstream.url}`, `policy=${JSON.stringify(policy)}`, ...context].flatMap((one) => ["-c", one])
    ]
  })
  return { ...ran, all: `${ran.stdout}${ran.stderr}` }
}

const deploy = (options: ReadonlyArray<string>, ...context: ReadonlyArray<string>) =>
  run(["deploy", "--require-approval", "never", ...options], ...context)

const stack = (): Stack => {
  const found = account.stacks.find("Worker")
  if (found === undefined) throw new Error("there is no stack")
  return found
}

const output = (name: string): string => stack().outputs[name] ?? ""

const job = (id: string) => JSON.stringify({ id, request: { method: "GET", url: `${upstream.url}/${id}` } })

/** Has the deployed function do a job, as a call of its URL. */
const call = async (id: string): Promise<number | undefined> => {
  const event = { version: "2.0", body: job(id), isBase64Encoded: false }
  const { end } = await Effect.runPromise(account.functions.invoke(output("FunctionName"), event))
  if (end._tag === "Failed") throw new Error(`${end.error.errorType}: ${end.error.errorMessage}`)
  // What a function answers to a call of its URL.
  return (end.result as { readonly statusCode?: number }).statusCode
}

const queueAt = (url: string) => {
  const queue = account.queues.find(({ name }) => url.endsWith(`/${name}`))
  if (queue === undefined) throw new Error(`there is no queue ${url}`)
  return queue
}

const until = async (holds: () => boolean): Promise<void> => {
  for (const deadline = Date.now() + 10_000; !holds();) {
    if (Date.now() > deadline) throw new Error("it never came to that")
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** An item that no deployment knows of. */
const put = async (tableName: string, key: string) => {
  const { Table } = await account.dynamo("DescribeTable", { TableName: tableName })
  const [{ AttributeName }] = (Table as { readonly KeySchema: readonly [{ readonly AttributeName: string }] }).KeySchema
  await account.dynamo("PutItem", { TableName: tableName, Item: { [AttributeName]: { S: key }, by: { S: "a test" } } })
}

const isThere = async (tableName: string, key: string): Promise<boolean> =>
  "Item" in await account.dynamo("GetItem", { TableName: tableName, Key: { key: { S: key } } })

/** What has happened to resources of a type since then. */
const happened = (type: string, from = 0): ReadonlyArray<string> =>
  stack().events.slice(from).filter((event) => event.type === type).map(({ status }) => status)

const table = "AWS::DynamoDB::Table"

/** A logical ID as it is called in the stack. */
const withoutHash = (id: string): string => id.replace(/[0-9A-F]{8}$/, "")

/** As if the app had made another template. */
const redeploy = async (change: (template: string) => string): Promise<void> => {
  const { current } = stack()
  if (current === undefined) throw new Error("nothing is deployed")
  account.stacks.deploy(stack(), { ...current, template: change(current.template) })
  await stack().settled
}

// The real CLI, in processes of its own, with all of AWS that it asks on this machine. Each test goes on where the last
// one stopped.
describe.skipIf(!isRunnable)("the worker", { timeout: 120_000 }, () => {
  it("is deployed by the CLI, with a change set", async () => {
    const { all, status } = await deploy([])
    assert.strictEqual(status, 0, `${all}\n${account.requests.join("\n")}`)
    assert.include(account.requests, "cloudformation ExecuteChangeSet 200")
    assert.strictEqual(stack().status, "CREATE_COMPLETE")
    assert.deepStrictEqual(happened(table), ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"])
  })

  it("has a table as DynamoStore wants it", async () => {
    const TableName = output("CircuitsTable")
    const { Table } = await account.dynamo("DescribeTable", { TableName })
    assert.deepInclude(Table, {
      KeySchema: [{ AttributeName: "key", KeyType: "HASH" }],
      AttributeDefinitions: [{ AttributeName: "key", AttributeType: "S" }]
    })
    const { TimeToLiveDescription } = await account.dynamo("DescribeTimeToLive", { TableName })
    assert.deepInclude(TimeToLiveDescription, { AttributeName: "expiresAt" })
  })

  it("opens a circuit, and a container that starts later knows", async () => {
    assert.strictEqual(await call("one"), 200)
    assert.deepStrictEqual(account.alarms(), [])
    upstream.health = "failing"
    assert.strictEqual(await call("two"), 502)
    assert.strictEqual(await call("three"), 503)
    await account.functions.recycle(output("FunctionName"))
    assert.strictEqual(await call("four"), 503)
    assert.deepStrictEqual(upstream.received, ["one", "two"])
    assert.isTrue(await isThere(output("CircuitsTable"), upstream.url))
  })

  it("has an alarm go off by what it printed", async () => {
    await until(() => account.alarms().length > 0)
    assert.deepStrictEqual(account.alarms().map(withoutHash), ["CircuitAlarmsOpened", "CircuitAlarmsRejecting"])
  })

  it("puts back a job whose circuit is open, and sends what is no job to the dead letters", async () => {
    const queue = queueAt(output("QueueUrl"))
    const deadLetters = queueAt(output("DeadLetterQueueUrl"))
    const bodies = (from: typeof queue) => from.all.map(({ body }) => body)
    for (const body of [job("five"), "no job"]) queue.send({ body }, Date.now())
    // Hidden for as long as the circuit is open, which is longer than the queue hides a message by itself.
    const isPutBack = () => queue.all.length === 1 && (queue.all[0]?.visibleAt ?? 0) > Date.now() + 300_000
    await until(() => deadLetters.all.length === 1 && isPutBack())
    assert.deepStrictEqual([bodies(queue), bodies(deadLetters)], [[job("five")], ["no job"]])
    assert.deepStrictEqual(upstream.received, ["one", "two"])
    assert.include(account.alarms().map(withoutHash), "WorkerAlarmsDeadLetters")
  })

  it("has the rights it needs and no others", async () => {
    const refused = () => account.requests.filter((request) => /^(dynamodb|sqs) .* (?!200)\d+$/.test(request))
    assert.deepStrictEqual(refused(), [])
    const role = [...stack().resources.values()].find(({ type }) => type === "AWS::IAM::Role")
    const credentials = account.assume(role?.attributes["Arn"] ?? "")
    const client = new DynamoDBClient({
      endpoint: account.endpoint,
      region: "eu-central-1",
      credentials,
      maxAttempts: 1
    })
    const answer = await client.send(new ScanCommand({ TableName: output("CircuitsTable") })).catch((error: Error) =>
      error.name
    )
    client.destroy()
    assert.strictEqual(answer, "AccessDeniedException")
    assert.deepStrictEqual(refused(), ["dynamodb Scan 400"])
  })

  it("keeps its table and what is in it when it is deployed anew, directly", async () => {
    const TableName = output("CircuitsTable")
    await put(TableName, "of-a-test")
    const from = stack().events.length
    const { all, status } = await deploy(["--method=direct"], "service=quotes")
    assert.strictEqual(status, 0, all)
    assert.include(account.requests, "cloudformation UpdateStack 200")
    assert.strictEqual(stack().status, "UPDATE_COMPLETE")

    assert.deepStrictEqual(happened("AWS::Lambda::Function", from), ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"])
    assert.deepStrictEqual(happened(table, from), [])
    assert.strictEqual(output("CircuitsTable"), TableName)
    assert.isTrue(await isThere(TableName, "of-a-test"))
    // The circuit that the last version opened is open in this one.
    assert.strictEqual(await call("six"), 503)
    assert.deepStrictEqual(upstream.received, ["one", "two"])
  })

  it("goes back to what it was when a deployment fails", async () => {
    const TableName = output("CircuitsTable")
    await redeploy((template) => template.replace("\"SERVICE\": \"quotes\"", "\"SERVICE\": [\"wrong\"]"))
    assert.strictEqual(stack().status, "UPDATE_ROLLBACK_COMPLETE")
    assert.isTrue(await isThere(TableName, "of-a-test"))
    assert.strictEqual(await call("seven"), 503)
  })

  // What the test before the last one is there to notice.
  it.each<readonly [what: string, change: (template: string) => string, events: ReadonlyArray<string>]>([
    ["logical ID", (template) => template.replaceAll("CircuitsTable3045EC0A", "Circuits2"), [
      "CREATE_IN_PROGRESS",
      "CREATE_COMPLETE",
      "DELETE_SKIPPED"
    ]],
    ["key", (template) => template.replaceAll("\"AttributeName\": \"key\"", "\"AttributeName\": \"id\""), [
      "UPDATE_IN_PROGRESS",
      "UPDATE_COMPLETE",
      "DELETE_SKIPPED"
    ]]
  ])("would start with an empty table if its %s were another, and leave the old one", async (_, change, events) => {
    const before = output("CircuitsTable")
    const from = stack().events.length
    await redeploy(change)
    assert.strictEqual(stack().status, "UPDATE_COMPLETE")
    assert.deepStrictEqual(happened(table, from), events)
    assert.notStrictEqual(output("CircuitsTable"), before)
    assert.deepInclude(await account.dynamo("Scan", { TableName: output("CircuitsTable") }), { Count: 0 })
    assert.notDeepInclude(await account.dynamo("Scan", { TableName: before, Select: "COUNT" }), { Count: 0 })
    await put(output("CircuitsTable"), "of-a-test")
  })

  it("leaves its table, its queues and its logs behind when it is deleted", async () => {
    const before = output("CircuitsTable")
    const removed = stack()
    account.stacks.remove(removed)
    await removed.settled
    assert.strictEqual(removed.status, "DELETE_COMPLETE")
    assert.isUndefined(account.stacks.find("Worker"))
    assert.lengthOf(account.queues, 2)
    assert.isDefined((await account.dynamo("DescribeTable", { TableName: before }))["Table"])
  })
})
