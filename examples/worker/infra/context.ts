/**
 * What differs between deployments: `context` in cdk.json, or `cdk -c name=value`. All of its mistakes are reported at once,
 * and what the worker reads at its start is checked by the worker's own reader.
 */
import { CircuitMetrics } from "@reclose/cdk"
import { ConfigProvider, Effect } from "effect"
import { readFileSync } from "node:fs"
import { read as readSettings } from "../src/Settings.ts"

export interface Context {
  readonly account: string
  readonly region: string
  /** Part of the stack's name and of the service's, so that environments share nothing; none unless set. */
  readonly stage: string | undefined
  readonly service: string
  readonly origins: ReadonlyArray<string>
  readonly policy: object | undefined
  readonly policyFile: string | undefined
  readonly maxReceiveCount: number
  readonly maxConcurrency: number | undefined
  readonly reservedConcurrency: number | undefined
  /** The SNS topic that alarms notify; none unless set. */
  readonly alarmTopicArn: string | undefined
}

/** Lambda allows 4,096 bytes for all variables. The rest is for their names, the table's name and the URLs of the queues. */
const maxBytes = 3_584

/** Reads the context. Throws an error that names every mistake in it. */
export const readContext = async (get: (name: string) => unknown): Promise<Context> => {
  const mistakes: Array<string> = []
  const text = (name: string): string | undefined => {
    const value = get(name)
    return value === undefined || value === "" ? undefined : String(value)
  }
  const matching = (name: string, pattern: RegExp, allowed: string): string | undefined => {
    const value = text(name)
    if (value !== undefined && !pattern.test(value)) {
      mistakes.push(`${name} is ${JSON.stringify(value)}: it must be ${allowed}`)
    }
    return value
  }
  const number = (name: string, least: number, most: number): number | undefined => {
    const value = text(name)
    const read = Number(value)
    if (value === undefined) return undefined
    if (Number.isInteger(read) && read >= least && read <= most) return read
    mistakes.push(`${name} is ${JSON.stringify(value)}: it must be a whole number from ${least} to ${most}`)
    return undefined
  }

  const stage = matching("stage", /^[A-Za-z][A-Za-z0-9-]{0,29}$/, "a letter, then up to 29 letters, digits and hyphens")
  const service = text("service") ?? "worker"
  const policy = get("policy") === "" ? undefined : get("policy")
  const policyFile = text("policyFile")
  const context: Context = {
    account: matching("account", /^\d{12}$/, "12 digits") ?? "123456789012",
    region: matching("region", /^[a-z]{2,}(-[a-z]+)+-\d+$/, "a region, such as eu-central-1") ?? "eu-central-1",
    stage,
    service: stage === undefined ? service : `${service}-${stage}`,
    origins: [get("origins") ?? []].flat().flatMap((one) => String(one).split(",")),
    policy: undefined,
    policyFile,
    maxReceiveCount: number("maxReceiveCount", 2, 1_000) ?? 10,
    maxConcurrency: number("maxConcurrency", 2, 1_000),
    reservedConcurrency: number("reservedConcurrency", 1, 1_000_000),
    alarmTopicArn: matching("alarmTopicArn", /^arn:[^:]+:sns:[^:]+:\d{12}:.+$/, "the ARN of an SNS topic")
  }

  try {
    CircuitMetrics.metric("OpenCircuits", { service: context.service })
  } catch (cause) {
    mistakes.push(cause instanceof Error ? cause.message : String(cause))
  }
  const topicRegion = context.alarmTopicArn?.split(":")[3]
  if (topicRegion !== undefined && topicRegion !== context.region) {
    // CloudWatch finds no topic of another region, and says so only once the stack is half made.
    mistakes.push(`alarmTopicArn is of ${topicRegion}: it must be a topic of the stack's region, ${context.region}`)
  }

  // An object in cdk.json, text on the command line. A file goes instead of what stands in cdk.json.
  const document = policyFile !== undefined
    ? readPolicyFile(policyFile, mistakes)
    : typeof policy === "string"
    ? policy
    : JSON.stringify(policy ?? {})
  const settings = readSettings.pipe(
    Effect.provideService(
      ConfigProvider.ConfigProvider,
      ConfigProvider.fromEnvRecord({
        ALLOWED_ORIGINS: context.origins.join(","),
        CIRCUITS_TABLE: "the stack knows",
        DEAD_LETTER_QUEUE_URL: "the stack knows",
        MAX_RECEIVE_COUNT: String(context.maxReceiveCount),
        POLICY: document,
        QUEUE_URL: "the stack knows",
        SERVICE: context.service
      })
    ),
    Effect.flip,
    Effect.option
  )
  const error = await Effect.runPromise(settings)
  const bytes = Buffer.byteLength(policyFile === undefined ? document : "") +
    Buffer.byteLength(context.origins.join(","))
  if (bytes > maxBytes) {
    mistakes.push(
      `policy and origins have ${bytes} bytes: they must have at most ${maxBytes}, since Lambda allows 4 kB for all ` +
        "variables; put the policy into a file and name it as policyFile"
    )
  }
  if (error._tag === "Some") mistakes.push(...error.value.mistakes)
  if (mistakes.length > 0) {
    throw new Error(`The context has mistakes:\n${mistakes.map((mistake) => `- ${mistake}`).join("\n")}`)
  }
  // The reader has found an object in it.
  return { ...context, policy: policyFile === undefined ? JSON.parse(document) as object : undefined }
}

const readPolicyFile = (file: string, mistakes: Array<string>): string => {
  try {
    return readFileSync(file, "utf8")
  } catch (cause) {
    mistakes.push(`policyFile ${JSON.stringify(file)} can't be read: ${String(cause)}`)
    return "{}"
  }
}
