import { App, Stack } from "aws-cdk-lib"
import type { CfnTable } from "aws-cdk-lib/aws-dynamodb"
import { Code, Function, Runtime } from "aws-cdk-lib/aws-lambda"
import { Queue } from "aws-cdk-lib/aws-sqs"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, assert, describe, it, vi } from "vitest"
import { CircuitAlarms, CircuitDashboard, CircuitTable } from "../src/index.ts"

const outdirs: Array<string> = []

afterEach(() => vi.restoreAllMocks())

afterAll(() => outdirs.forEach((outdir) => rmSync(outdir, { recursive: true })))

/** What the rules that come with the CDK say of a stack. */
const complaints = (fill: (stack: Stack) => void) => {
  const outdir = mkdtempSync(join(tmpdir(), "reclose-cdk-"))
  outdirs.push(outdir)
  const app = new App({ outdir })
  fill(new Stack(app, "Test"))
  app.synth()
  return JSON.parse(readFileSync(join(outdir, "validation-report.json"), "utf8")).pluginReports
}

// Loading the rules takes seconds.
describe("CloudFormation's own rules", { timeout: 60_000 }, () => {
  it("accept a stack of all constructs", () => {
    const reports = complaints((stack) => {
      const worker = new Function(stack, "Worker", {
        runtime: Runtime.NODEJS_24_X,
        handler: "index.handler",
        code: Code.fromInline("exports.handler = async () => {}")
      })
      new CircuitTable(stack, "Circuits").grantCircuits(worker)
      const { alarms } = new CircuitAlarms(stack, "Alarms", { service: "worker" })
      const queue = new Queue(stack, "Queue")
      new CircuitDashboard(stack, "Dashboard", { service: "worker", alarms, queue, function: worker })
    })
    assert.deepStrictEqual(reports, [])
  })

  it("refuse a table that can't be", () => {
    // What the CDK has to say of it.
    vi.spyOn(console, "error").mockReturnValue()
    const reports = complaints((stack) => {
      const { table } = new CircuitTable(stack, "Circuits")
      // The child of a table that isn't imported.
      const resource = table.node.defaultChild as CfnTable
      resource.billingMode = "NEVER"
    })
    assert.include(JSON.stringify(reports), "NEVER")
  })
})
