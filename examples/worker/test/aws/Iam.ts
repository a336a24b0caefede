/** Who may do what: policies as IAM evaluates them, as far as the stacks here use them. */
import { accessDenied, AwsError } from "./Wire.ts"

export interface Statement {
  readonly Effect: string
  readonly Action: string | ReadonlyArray<string>
  readonly Resource: string | ReadonlyArray<string>
  readonly Condition?: unknown
}

const matches = (pattern: string, value: string): boolean =>
  new RegExp(`^${pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".")}$`).test(value)

const some = (patterns: string | ReadonlyArray<string>, value: string): boolean =>
  [patterns].flat().some((pattern) => matches(pattern, value))

/** Whether statements allow an action: one has to, and none may deny it. */
export const allows = (statements: ReadonlyArray<Statement>, action: string, resource: string): boolean => {
  const meant = statements.filter(({ Action, Resource }) => some(Action, action) && some(Resource, resource))
  for (const { Condition } of meant) {
    if (Condition !== undefined) throw new AwsError("InternalFailure", "this server evaluates no conditions", 500)
  }
  return meant.some(({ Effect }) => Effect === "Allow") && meant.every(({ Effect }) => Effect !== "Deny")
}

export interface Role {
  readonly arn: string
  /** By the name of the policy. */
  readonly policies: Map<string, ReadonlyArray<Statement>>
}

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
}

/** Roles, and whom the credentials in use stand for. */
export interface Iam {
  readonly createRole: (name: string, statements?: ReadonlyArray<Statement>) => Role
  readonly deleteRole: (arn: string) => void
  readonly role: (arn: string) => Role | undefined
  /** Credentials that stand for a role from now on. */
  readonly assume: (arn: string) => Credentials
  readonly callerOf: (accessKeyId: string) => string | undefined
  readonly may: (caller: string, action: string, resource: string) => boolean
  /** Fails unless the caller may. */
  readonly authorize: (caller: string, action: string, resource: string) => void
}

export const makeIam = (account: string): Iam => {
  const roles = new Map<string, Role>()
  const holders = new Map<string, string>()
  const iam: Iam = {
    createRole: (name, statements = []) => {
      const arn = `arn:aws:iam::${account}:role/${name}`
      if (roles.has(arn)) throw new AwsError("EntityAlreadyExists", `Role with name ${name} already exists.`, 409)
      const role: Role = { arn, policies: new Map([["inline", statements]]) }
      roles.set(arn, role)
      return role
    },
    deleteRole: (arn) => void roles.delete(arn),
    role: (arn) => roles.get(arn),
    assume: (arn) => {
      const accessKeyId = `ASIA${String(holders.size + 1).padStart(16, "0")}`
      holders.set(accessKeyId, arn)
      return { accessKeyId, secretAccessKey: `secret-of-${accessKeyId}`, sessionToken: `token-of-${accessKeyId}` }
    },
    callerOf: (accessKeyId) => holders.get(accessKeyId),
    may: (caller, action, resource) => allows([...roles.get(caller)?.policies.values() ?? []].flat(), action, resource),
    authorize: (caller, action, resource) => {
      if (!iam.may(caller, action, resource)) throw accessDenied(caller, action, resource)
    }
  }
  return iam
}
