/** AWS CloudFormation, as far as `cdk deploy` asks it, with change sets or directly. */
import { randomUUID } from "node:crypto"
import { isDeepStrictEqual } from "node:util"
import type { Objects } from "./S3.ts"
import type { Deployment, Stack, StackEvent, Stacks } from "./Stacks.ts"
import { parse, TemplateError } from "./Template.ts"
import { AwsError, type Call, query, type Service, type Xml } from "./Wire.ts"

const invalid = (message: string) => new AwsError("ValidationError", message)

/** The members of a list of structures, as the Query protocol numbers them. */
const members = (parameters: URLSearchParams, list: string): ReadonlyArray<ReadonlyMap<string, string>> => {
  const found: Array<Map<string, string>> = []
  for (const [name, value] of parameters) {
    const [, index, field = ""] = new RegExp(`^${list}\\.member\\.(\\d+)(?:\\.(.+))?$`).exec(name) ?? []
    if (index === undefined) continue
    const member = found[Number(index) - 1] ??= new Map()
    member.set(field, value)
  }
  return found
}

const described = (stack: Stack): Xml => ({
  StackId: stack.id,
  StackName: stack.name,
  CreationTime: stack.created.toISOString(),
  LastUpdatedTime: stack.updated?.toISOString(),
  StackStatus: stack.status,
  StackStatusReason: stack.reason,
  DisableRollback: false,
  EnableTerminationProtection: false,
  Capabilities: ["CAPABILITY_IAM"],
  Parameters: Object.entries(stack.current?.parameters ?? {}).map(([ParameterKey, ParameterValue]) => ({
    ParameterKey,
    ParameterValue
  })),
  Outputs: Object.entries(stack.outputs).map(([OutputKey, OutputValue]) => ({ OutputKey, OutputValue })),
  Tags: []
})

const describedEvent = (stack: Stack, event: StackEvent): Xml => ({
  StackId: stack.id,
  StackName: stack.name,
  EventId: event.eventId,
  LogicalResourceId: event.logicalId,
  PhysicalResourceId: event.physicalId,
  ResourceType: event.type,
  ResourceStatus: event.status,
  ResourceStatusReason: event.reason,
  Timestamp: event.time.toISOString()
})

const describedResources = (stack: Stack): ReadonlyArray<Xml> =>
  [...stack.resources].map(([LogicalResourceId, { id, type }]) => ({
    LogicalResourceId,
    PhysicalResourceId: id,
    ResourceType: type,
    ResourceStatus: "CREATE_COMPLETE",
    LastUpdatedTimestamp: stack.created.toISOString()
  }))

/**
 * The CLI looks every five seconds whether a stack is done, and at once after it was told to begin: a stack that is done
 * in a moment is not waited for when the answer takes that moment.
 */
const inAMoment = (stack: Stack): Promise<void> =>
  Promise.race([stack.settled, new Promise<void>((resolve) => setTimeout(resolve, 1_000).unref())])

/** What a stack would become, and the differences to what it is. */
interface ChangeSet {
  readonly id: string
  readonly name: string
  readonly stack: Stack
  readonly deployment: Deployment
}

const resourcesOf = (deployment: Deployment | undefined) =>
  deployment === undefined ? {} : parse(deployment.template).Resources

const changes = ({ deployment, stack }: ChangeSet): ReadonlyArray<Xml> => {
  const before = resourcesOf(stack.current)
  const after = resourcesOf(deployment)
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((id) => {
    const [one, other] = [before[id], after[id]]
    if (isDeepStrictEqual(one, other)) return []
    const Action = one === undefined ? "Add" : other === undefined ? "Remove" : "Modify"
    const ResourceType = (other ?? one)?.Type
    return [{ Type: "Resource", ResourceChange: { Action, LogicalResourceId: id, ResourceType } }]
  })
}

export const makeCloudFormation = (stacks: Stacks, objects: Objects): Service => {
  const named = (parameters: URLSearchParams): Stack => {
    const name = parameters.get("StackName") ?? ""
    const stack = stacks.find(name)
    if (stack === undefined) throw invalid(`Stack with id ${name} does not exist`)
    return stack
  }

  const changeSets: Array<ChangeSet> = []

  const isNamed = (parameters: URLSearchParams) => ({ id, name, stack }: ChangeSet): boolean => {
    const wanted = parameters.get("ChangeSetName")
    return id === wanted || (name === wanted && [stack.name, stack.id].includes(parameters.get("StackName") ?? ""))
  }

  const changeSetOf = (parameters: URLSearchParams): ChangeSet => {
    const changeSet = changeSets.find(isNamed(parameters))
    if (changeSet === undefined) throw new AwsError("ChangeSetNotFound", "there is no such change set")
    return changeSet
  }

  const templateOf = (parameters: URLSearchParams): string => {
    const body = parameters.get("TemplateBody")
    if (body !== null) return body
    const [bucket = "", ...path] = new URL(parameters.get("TemplateURL") ?? "").pathname.slice(1).split("/")
    const content = objects.get(bucket, path.join("/"))
    if (content === undefined) throw invalid(`S3 error: no object ${path.join("/")} in bucket ${bucket}`)
    return content.toString("utf8")
  }

  const deploymentOf = (parameters: URLSearchParams, previous: Deployment | undefined): Deployment => {
    const template = parameters.get("UsePreviousTemplate") === "true" ? previous?.template : templateOf(parameters)
    if (template === undefined) throw invalid("there is no previous template")
    const capabilities = members(parameters, "Capabilities").map((one) => one.get(""))
    try {
      const makesRoles = Object.values(parse(template).Resources).some(({ Type }) => Type.startsWith("AWS::IAM::"))
      if (makesRoles && !capabilities.some((one) => one === "CAPABILITY_IAM" || one === "CAPABILITY_NAMED_IAM")) {
        throw new AwsError("InsufficientCapabilities", "Requires capabilities : [CAPABILITY_IAM]")
      }
    } catch (error) {
      if (error instanceof TemplateError) throw invalid(`Template error: ${error.message}`)
      throw error
    }
    const given = members(parameters, "Parameters").flatMap((one) => {
      const key = one.get("ParameterKey") ?? ""
      const value = one.get("UsePreviousValue") === "true" ? previous?.parameters[key] : one.get("ParameterValue")
      return value === undefined ? [] : [[key, value] as const]
    })
    return { template, parameters: Object.fromEntries(given) }
  }

  const actions: Readonly<Record<string, (parameters: URLSearchParams) => Xml | Promise<Xml>>> = {
    DescribeStacks: (parameters) => ({
      Stacks: (parameters.has("StackName") ? [named(parameters)] : stacks.all()).map(described)
    }),
    DescribeStackEvents: (parameters) => {
      const stack = named(parameters)
      return { StackEvents: stack.events.map((event) => describedEvent(stack, event)).toReversed() }
    },
    DescribeStackResources: (parameters) => ({ StackResources: describedResources(named(parameters)) }),
    ListStackResources: (parameters) => ({ StackResourceSummaries: describedResources(named(parameters)) }),
    GetTemplate: (parameters) => ({ TemplateBody: named(parameters).current?.template ?? "{}" }),
    CreateStack: async (parameters) => {
      const name = parameters.get("StackName") ?? ""
      if (stacks.find(name) !== undefined) {
        throw new AwsError("AlreadyExistsException", `Stack [${name}] already exists`)
      }
      const deployment = deploymentOf(parameters, undefined)
      const stack = stacks.open(name)
      stacks.deploy(stack, deployment)
      await inAMoment(stack)
      return { StackId: stack.id }
    },
    UpdateStack: async (parameters) => {
      const stack = named(parameters)
      const deployment = deploymentOf(parameters, stack.current)
      if (isDeepStrictEqual(stack.current, deployment)) throw invalid("No updates are to be performed.")
      stacks.deploy(stack, deployment)
      await inAMoment(stack)
      return { StackId: stack.id }
    },
    CreateChangeSet: (parameters) => {
      const isNew = parameters.get("ChangeSetType") === "CREATE"
      const deployment = deploymentOf(parameters, isNew ? undefined : named(parameters).current)
      const stack = isNew ? stacks.open(parameters.get("StackName") ?? "") : named(parameters)
      const name = parameters.get("ChangeSetName") ?? ""
      const id = `${stack.id.replace(/stack\/.*/, "")}changeSet/${name}/${randomUUID()}`
      changeSets.push({ id, name, stack, deployment })
      return { Id: id, StackId: stack.id }
    },
    DescribeChangeSet: (parameters) => {
      const changeSet = changeSetOf(parameters)
      const { id, name, stack } = changeSet
      const Changes = changes(changeSet)
      const result = Changes.length === 0
        ? { Status: "FAILED", StatusReason: "The submitted information didn't contain changes." }
        : { Status: "CREATE_COMPLETE", ExecutionStatus: "AVAILABLE" }
      return { ChangeSetId: id, ChangeSetName: name, StackId: stack.id, StackName: stack.name, ...result, Changes }
    },
    ExecuteChangeSet: async (parameters) => {
      const { deployment, stack } = changeSetOf(parameters)
      stacks.deploy(stack, deployment)
      await inAMoment(stack)
      return {}
    },
    DeleteChangeSet: (parameters) => {
      const at = changeSets.findIndex(isNamed(parameters))
      if (at >= 0) changeSets.splice(at, 1)
      return {}
    },
    DeleteStack: (parameters) => {
      const stack = stacks.find(parameters.get("StackName") ?? "")
      if (stack !== undefined) stacks.remove(stack)
      return {}
    }
  }

  return query(
    "http://cloudformation.amazonaws.com/doc/2010-05-15/",
    Object.fromEntries(
      Object.entries(actions).map(([name, action]) => [name, (parameters: URLSearchParams, { authorize }: Call) => {
        authorize(`cloudformation:${name}`, `stack/${parameters.get("StackName") ?? "*"}`)
        return action(parameters)
      }])
    )
  )
}
