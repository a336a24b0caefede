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
})
