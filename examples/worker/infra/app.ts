/** What `cdk` runs, see cdk.json. */
import { App, Validations } from "aws-cdk-lib"
import { AwsSolutionsChecks } from "cdk-nag"
import { join } from "node:path"
import { bundle } from "./bundle.ts"
import { WorkerStack } from "./WorkerStack.ts"

const app = new App()

/** `cdk -c name=value`. */
const context = (name: string): string | undefined => app.node.tryGetContext(name)

/** A whole number; what is none is NaN, which CDK refuses under the name of the option. */
const number = (text: string | undefined) => text === undefined ? undefined : Number(text)

const policy = context("policy")

new WorkerStack(app, "Worker", {
  // Pinned, so that nothing has to be asked of an account to make the template.
  env: { account: context("account") ?? "123456789012", region: context("region") ?? "eu-central-1" },
  code: await bundle({
    entry: context("entry") ?? join(import.meta.dirname, "../src/lambda.ts"),
    outdir: join(app.outdir, "bundle")
  }),
  service: context("service"),
  policy: policy === undefined ? undefined : JSON.parse(policy),
  maxReceiveCount: number(context("maxReceiveCount")),
  maxConcurrency: number(context("maxConcurrency")),
  reservedConcurrency: number(context("reservedConcurrency"))
})

// A finding stops the deployment.
Validations.of(app).addPlugins(new AwsSolutionsChecks(app))
