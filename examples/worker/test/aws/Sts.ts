/** AWS Security Token Service: who am I, and may I be somebody else. */
import type { Iam } from "./Iam.ts"
import { accessDenied, query, type Service } from "./Wire.ts"

export const makeSts = (iam: Iam, account: string): Service =>
  query("https://sts.amazonaws.com/doc/2011-06-15/", {
    GetCallerIdentity: (_, { caller }) => ({ Arn: caller, UserId: "AIDA0000000000000000", Account: account }),
    AssumeRole: (parameters, { authorize, caller }) => {
      const arn = parameters.get("RoleArn") ?? ""
      authorize("sts:AssumeRole", arn)
      if (iam.role(arn) === undefined) throw accessDenied(caller, "sts:AssumeRole", arn)
      const { accessKeyId, secretAccessKey, sessionToken } = iam.assume(arn)
      const session = parameters.get("RoleSessionName") ?? ""
      return {
        Credentials: {
          AccessKeyId: accessKeyId,
          SecretAccessKey: secretAccessKey,
          SessionToken: sessionToken,
          Expiration: new Date(Date.now() + 3_600_000).toISOString()
        },
        AssumedRoleUser: { AssumedRoleId: `AROA0000000000000000:${session}`, Arn: `${arn}/${session}` }
      }
    }
  })
