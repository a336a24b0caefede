import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { assert, describe, it, onTestFinished } from "vitest"
import { cdk } from "./Cli.ts"
import { temporaryFolder } from "./support.ts"

/** Stands for everything outside, and counts who comes. */
const outside = async () => {
  const asked: Array<string> = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.writeHead(500).end()
  })
  server.on("connect", (request, socket) => {
    asked.push(`CONNECT ${request.url}`)
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  // A server that listens on a port has such an address.
  const { port } = server.address() as AddressInfo
  return { asked, endpoint: `http://127.0.0.1:${port}` }
}

const synth = async (options: { readonly validates: boolean }, ...context: ReadonlyArray<string>) => {
  const { asked, endpoint } = await outside()
  const folder = temporaryFolder()
  const output = join(folder, "cdk.out")
  const ran = await cdk({
    home: join(folder, "home"),
    endpoint,
    ...options,
    arguments: ["synth", "--quiet", "--output", output, ...context.flatMap((one) => ["-c", one])]
  })
  return { ...ran, asked, output }
}

const read = (output: string, file: string) => JSON.parse(readFileSync(join(output, file), "utf8"))

// The real CLI, the real bundle, CloudFormation's own rules and those of AWS Solutions.
describe("cdk synth", { timeout: 120_000 }, () => {
  it("makes template and bundle, a policy file included, without credentials and without asking anybody", async () => {
    const policyFile = join(temporaryFolder(), "mine.json")
    writeFileSync(policyFile, "{}")
    const { asked, output, status, stderr } = await synth({ validates: true }, `policyFile=${policyFile}`)
    assert.strictEqual(status, 0, stderr)
    assert.deepStrictEqual(asked, [])
    assert.deepStrictEqual(read(output, "validation-report.json").pluginReports, [])

    const { artifacts } = read(output, "manifest.json")
    assert.strictEqual(artifacts.Worker.environment, "aws://123456789012/eu-central-1")

    const assets = Object.entries<{ source: { path: string } }>(read(output, "Worker.assets.json").files)
    const [hash, code] = assets.find(([, { source }]) => source.path.startsWith("asset.")) ?? []
    assert.sameMembers(readdirSync(join(output, code?.source.path ?? "")), ["index.mjs", "policy.json"])
    const resources = Object.values<{
      Type: string
      Properties: { Code: unknown; Environment: { Variables: Readonly<Record<string, unknown>> } }
    }>(read(output, "Worker.template.json").Resources)
    const properties = resources.find(({ Type }) => Type === "AWS::Lambda::Function")?.Properties
    assert.propertyVal(properties?.Environment.Variables, "POLICY_FILE", "policy.json")
    assert.notProperty(properties?.Environment.Variables, "POLICY")
    assert.deepStrictEqual(properties?.Code, {
      S3Bucket: "cdk-hnb659fds-assets-123456789012-eu-central-1",
      S3Key: `${hash}.zip`
    })
  })

  it("refuses a setting that AWS would refuse", async () => {
    const { asked, status, stderr, stdout } = await synth({ validates: false }, "maxConcurrency=1")
    assert.notStrictEqual(status, 0)
    assert.deepStrictEqual(asked, [])
    assert.match(`${stdout}${stderr}`, /maxConcurrency/i)
  })

  it("reports every mistake of its settings at once, in the words of the worker's own reader", async () => {
    const { status, stderr, stdout } = await synth(
      { validates: false },
      "maxReceiveCount=abc",
      "origins=foo",
      `policy={"circuits":{"openDuration":"5 secs"},"http":{"settleOn":"never"}}`,
      "alarmTopicArn=on-call",
      "stage=1"
    )
    assert.notStrictEqual(status, 0)
    const said = `${stdout}${stderr}`
    for (
      const mistake of [
        `maxReceiveCount is "abc": it must be a whole number from 2 to 1000`,
        `ALLOWED_ORIGINS holds "foo": it must be an origin, such as https://api.example`,
        `circuits.openDuration is "5 secs": it must be a duration from 1 millis to 1 day, such as "30 seconds"`,
        `http.settleOn is "never"`,
        `alarmTopicArn is "on-call": it must be the ARN of an SNS topic`,
        `stage is "1": it must be a letter`
      ]
    ) assert.include(said, mistake)
  })

  it("makes another stack for another stage, which shares no metric with the first, and notifies a topic", async () => {
    const topic = "arn:aws:sns:eu-central-1:123456789012:on-call"
    const { output, status, stderr } = await synth({ validates: false }, "stage=staging", `alarmTopicArn=${topic}`)
    assert.strictEqual(status, 0, stderr)
    assert.sameMembers(Object.keys(read(output, "manifest.json").artifacts).filter((id) => id.startsWith("Worker")), [
      "Worker-staging",
      "Worker-staging.assets"
    ])
    const resources = Object.values<{ Type: string; Properties: Readonly<Record<string, unknown>> }>(
      read(output, "Worker-staging.template.json").Resources
    )
    const alarms = resources.filter(({ Type }) => Type === "AWS::CloudWatch::Alarm")
    assert.lengthOf(alarms, 12)
    for (const { Properties } of alarms) {
      assert.deepStrictEqual([Properties["AlarmActions"], Properties["OKActions"]], [[topic], [topic]])
      const text = JSON.stringify(Properties)
      if (text.includes(`"Reclose"`)) assert.include(text, `{"Name":"service","Value":"worker-staging"}`)
    }
  })
})
