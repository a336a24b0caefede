/** The real CDK CLI, in a process of its own that knows nothing of this machine. */
import { spawn } from "node:child_process"
import { mkdirSync } from "node:fs"
import { dirname, join } from "node:path"

const worker = join(import.meta.dirname, "../..")

export interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Options {
  /** Where the CLI may keep what it likes. */
  readonly home: string
  /** What it takes for AWS, and for the way to everything else. */
  readonly endpoint: string
  readonly arguments: ReadonlyArray<string>
  readonly credentials?: {
    readonly accessKeyId: string
    readonly secretAccessKey: string
    readonly sessionToken: string
  } | undefined
  /** Whether it asks the rules for templates, which takes three seconds: true unless set. */
  readonly validates?: boolean
}

/** Runs `cdk` to its end, which takes seconds, and 100 of them at most. */
export const cdk = (options: Options): Promise<Ran> =>
  new Promise((resolve, reject) => {
    mkdirSync(options.home, { recursive: true })
    const program = join(worker, "node_modules/aws-cdk/bin/cdk")
    const child = spawn(process.execPath, [program, ...options.arguments], {
      cwd: worker,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 100_000,
      killSignal: "SIGKILL",
      env: {
        // `node` in cdk.json is the Node of this test.
        PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
        HOME: options.home,
        CI: "true",
        NO_COLOR: "1",
        AWS_REGION: "eu-central-1",
        AWS_EC2_METADATA_DISABLED: "true",
        AWS_ENDPOINT_URL: options.endpoint,
        // Whatever is not AWS would go this way, and be seen.
        HTTP_PROXY: options.endpoint,
        HTTPS_PROXY: options.endpoint,
        NO_PROXY: "127.0.0.1",
        CDK_DISABLE_VERSION_CHECK: "1",
        CDK_DISABLE_CLI_TELEMETRY: "true",
        CDK_VALIDATION: String(options.validates ?? true),
        ...(options.credentials === undefined ? {} : {
          AWS_ACCESS_KEY_ID: options.credentials.accessKeyId,
          AWS_SECRET_ACCESS_KEY: options.credentials.secretAccessKey,
          AWS_SESSION_TOKEN: options.credentials.sessionToken
        })
      }
    })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (data) => (stdout += data))
    child.stderr.on("data", (data) => (stderr += data))
    child.once("error", reject)
    child.once("close", (status) => resolve({ status, stdout, stderr }))
  })
