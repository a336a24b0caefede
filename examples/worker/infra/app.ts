/** What `cdk` runs, see cdk.json. */
import { App, Validations } from "aws-cdk-lib"
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions"
import { Topic } from "aws-cdk-lib/aws-sns"
import { AwsSolutionsChecks } from "cdk-nag"
import { copyFileSync } from "node:fs"
import { join } from "node:path"
import { bundle } from "./bundle.ts"
import { readContext } from "./context.ts"
import { WorkerStack } from "./WorkerStack.ts"

const app = new App()

const context = await readContext((name) => app.node.tryGetContext(name)).catch((error: Error) => {
  // Without the stack of this program, which says nothing of the mistake.
  console.error(error.message)
  process.exit(1)
})

const code = await bundle({ entry: join(import.meta.dirname, "../src/lambda.ts"), outdir: join(app.outdir, "bundle") })
if (context.policyFile !== undefined) copyFileSync(context.policyFile, join(code, "policy.json"))

const { account, alarmTopicArn, policyFile, region, stage, ...props } = context

new WorkerStack(app, stage === undefined ? "Worker" : `Worker-${stage}`, {
  ...props,
  // Pinned, so that nothing has to be asked of an account to make the template.
  env: { account, region },
  code,
  policy: policyFile === undefined ? props.policy : "policy.json",
  alarmActions: (stack) =>
    alarmTopicArn === undefined ? [] : [new SnsAction(Topic.fromTopicArn(stack, "AlarmTopic", alarmTopicArn))]
})

// A finding stops the deployment.
Validations.of(app).addPlugins(new AwsSolutionsChecks(app))
