/** What `cdk bootstrap` leaves in an account: a bucket for assets, roles with their rights, and the version of it all. */
import type { Iam, Statement } from "./Iam.ts"

/** The name that the CDK gives a bootstrapped environment unless told otherwise. */
const qualifier = "hnb659fds"

/** Where the stack's parameter for the version looks. */
const versionParameter = `/cdk-bootstrap/${qualifier}/version`

const allow = (Action: string | ReadonlyArray<string>, Resource: string | ReadonlyArray<string>): Statement => ({
  Effect: "Allow",
  Action,
  Resource
})

export interface Bootstrap {
  readonly bucket: string
  readonly parameters: ReadonlyMap<string, string>
  /** Who deploys: may become the CDK's roles, and nothing else. */
  readonly developer: string
}

export const bootstrap = (iam: Iam, account: string, region: string): Bootstrap => {
  const bucket = `cdk-${qualifier}-assets-${account}-${region}`
  const ofBucket = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`]
  const readVersion = allow("ssm:GetParameter", `arn:aws:ssm:${region}:${account}:parameter${versionParameter}`)
  const role = (name: string, ...statements: ReadonlyArray<Statement>) =>
    iam.createRole(`cdk-${qualifier}-${name}-role-${account}-${region}`, statements)

  role(
    "file-publishing",
    allow(["s3:GetObject", "s3:GetBucketLocation", "s3:GetEncryptionConfiguration", "s3:ListBucket"], ofBucket),
    allow(["s3:PutObject", "s3:AbortMultipartUpload"], ofBucket),
    readVersion
  )
  role("deploy", allow("cloudformation:*", "*"), allow(["s3:GetObject", "s3:ListBucket"], ofBucket), readVersion)
  role("lookup", allow(["cloudformation:Describe*", "cloudformation:GetTemplate"], "*"), readVersion)
  role("cfn-exec", allow("*", "*"))
  const developer = iam.createRole("developer", [
    allow("sts:AssumeRole", `arn:aws:iam::${account}:role/cdk-${qualifier}-*`)
  ])
  // 30 is what the CLI of the repository makes; anything below 6 is refused by the template.
  return { bucket, parameters: new Map([[versionParameter, "30"]]), developer: developer.arn }
}
