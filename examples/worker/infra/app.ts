/** What `cdk` runs, see cdk.json. */
import { App, Validations } from "aws-cdk-lib"
import { AwsSolutionsChecks } from "cdk-nag"
import { copyFileSync } from "node:fs"
import { join } from "node:path"
import { bundle } from "./bundle.ts"
import { WorkerStack } from "./WorkerStack.ts"

const app = new App()

/** What cdk.json says under `context`, or `cdk -c name=value` instead. */
const context = (name: string): unknown => app.node.tryGetContext(name)

const text = (name: string): string | undefined => {
  const value = context(name)
  return value === undefined ? undefined : String(value)
}

/** What is no number is NaN, which CDK refuses under the name of the option. */
const number = (name: string): number | undefined => {
  const value = context(name)
  return value === undefined ? undefined : Number(value)
}

/** Names and objects in cdk.json, text on the command line. */
const list = (name: string): ReadonlyArray<string> =>
  [context(name) ?? []].flat().flatMap((one) => String(one).split(","))

const object = (name: string): object | undefined => {
  const value = context(name)
  return typeof value === "string" ? JSON.parse(value) : typeof value === "object" && value !== null ? value : undefined
}

const code = await bundle({ entry: join(import.meta.dirname, "../src/lambda.ts"), outdir: join(app.outdir, "bundle") })

/** A file goes into the bundle, and instead of a policy that stands in cdk.json. */
const policyIn = (code: string): object | string | undefined => {
  const file = text("policyFile")
  if (file === undefined) return object("policy")
  copyFileSync(file, join(code, "policy.json"))
  return "policy.json"
}

new WorkerStack(app, "Worker", {
  // Pinned, so that nothing has to be asked of an account to make the template.
  env: { account: text("account") ?? "123456789012", region: text("region") ?? "eu-central-1" },
  code,
  origins: list("origins"),
  service: text("service"),
  policy: policyIn(code),
  maxReceiveCount: number("maxReceiveCount"),
  maxConcurrency: number("maxConcurrency"),
  reservedConcurrency: number("reservedConcurrency")
})

// A finding stops the deployment.
Validations.of(app).addPlugins(new AwsSolutionsChecks(app))
