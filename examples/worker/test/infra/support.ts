import { App } from "aws-cdk-lib"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { onTestFinished } from "vitest"
import { WorkerStack, type WorkerStackProps } from "../../infra/WorkerStack.ts"

/** A folder that goes with the test. */
export const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "reclose-worker-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

/** The worker's stack, around code that is never run. */
export const workerStack = (props: Partial<WorkerStackProps> = {}): WorkerStack => {
  const folder = temporaryFolder()
  const code = join(folder, "code")
  mkdirSync(code)
  writeFileSync(join(code, "index.mjs"), "export const handler = async () => {}\n")
  // CloudFormation's own rules take seconds to load; the real CLI asks them in synth.test.ts.
  const app = new App({ outdir: join(folder, "cdk.out"), builtinCloudFormationValidation: false })
  return new WorkerStack(app, "Worker", {
    env: { account: "123456789012", region: "eu-central-1" },
    code,
    origins: ["https://quotes.example", "https://orders.example"],
    ...props
  })
}
