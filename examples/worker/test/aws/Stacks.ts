/** What CloudFormation does with a template: makes, changes, replaces and removes resources, and goes back if one fails. */
import { randomBytes, randomUUID } from "node:crypto"
import { isDeepStrictEqual } from "node:util"
import { evaluate, inOrder, parse, type Resource, type Scope, type Template, TemplateError } from "./Template.ts"
import { AwsError } from "./Wire.ts"

export type Properties = Readonly<Record<string, unknown>>

/** A resource that is there. */
export interface Made {
  /** The physical ID, which is what `Ref` answers. */
  readonly id: string
  readonly attributes: Readonly<Record<string, string>>
}

/** A kind of resource. */
export interface ResourceType {
  /** All properties that this server knows, and what a change of one does. Others are refused. */
  readonly properties: Readonly<Record<string, "updates" | "replaces">>
  readonly create: (request: { readonly name: string; readonly properties: Properties }) => Made | Promise<Made>
  readonly update: (made: Made, properties: Properties) => Made | Promise<Made>
  readonly remove: (made: Made, properties: Properties) => void | Promise<void>
}

export interface Live extends Made {
  readonly type: string
  readonly properties: Properties
  readonly policies: Pick<Resource, "DeletionPolicy" | "UpdateReplacePolicy">
}

export interface StackEvent {
  readonly eventId: string
  readonly time: Date
  readonly logicalId: string
  readonly physicalId: string
  readonly type: string
  readonly status: string
  readonly reason?: string | undefined
}

export interface Deployment {
  readonly template: string
  readonly parameters: Readonly<Record<string, string>>
}

export interface Stack {
  readonly id: string
  readonly name: string
  readonly created: Date
  updated: Date | undefined
  status: string
  reason: string | undefined
  /** Undefined for a stack that is only being reviewed. */
  current: Deployment | undefined
  outputs: Readonly<Record<string, string>>
  readonly resources: Map<string, Live>
  /** The oldest first. */
  readonly events: Array<StackEvent>
  /** Done with whatever is going on; never fails. */
  settled: Promise<void>
}

export interface StacksOptions {
  readonly account: string
  readonly region: string
  readonly types: Readonly<Record<string, ResourceType>>
  /** What a parameter of the type `AWS::SSM::Parameter::Value<String>` names. */
  readonly stored: ReadonlyMap<string, string>
}

export interface Stacks {
  readonly all: () => ReadonlyArray<Stack>
  /** By name, one that is there; by ID also one that is gone. */
  readonly find: (nameOrId: string) => Stack | undefined
  /** A stack with nothing in it, that waits for what it is to be. */
  readonly open: (name: string) => Stack
  /** Makes a stack what a template says. */
  readonly deploy: (stack: Stack, deployment: Deployment) => void
  readonly remove: (stack: Stack) => void
}

const message = (error: unknown) => error instanceof Error ? error.message : String(error)

export const makeStacks = ({ account, region, stored, types }: StacksOptions): Stacks => {
  const stacks: Array<Stack> = []

  const tell = (stack: Stack, status: string, logicalId: string, made: Partial<Live>, reason?: string): void => {
    const told = { physicalId: made.id ?? "", type: made.type ?? "AWS::CloudFormation::Stack" }
    stack.events.push({ eventId: randomUUID(), time: new Date(), logicalId, status, reason, ...told })
  }

  const enter = (stack: Stack, status: string, reason?: string): void => {
    stack.status = status
    stack.reason = reason
    tell(stack, status, stack.name, { id: stack.id }, reason)
  }

  const typeOf = (id: string, { Type }: Resource): ResourceType => {
    const type = types[Type]
    if (type === undefined) throw new TemplateError(`resource ${id} is a ${Type}, which this server does not know`)
    return type
  }

  const parametersOf = (template: Template, given: Readonly<Record<string, string>>): Map<string, string> =>
    new Map(
      Object.entries(template.Parameters ?? {}).map(([name, { Default, Type }]) => {
        const value = given[name] ?? Default
        if (value === undefined) throw new TemplateError(`Parameters: [${name}] must have values`)
        if (Type === "String") return [name, value]
        const found = Type === "AWS::SSM::Parameter::Value<String>" ? stored.get(value) : undefined
        if (found === undefined) throw new TemplateError(`parameter ${name}: no ${Type} named ${value}`)
        return [name, found]
      })
    )

  const scopeOf = (stack: Stack, parameters: ReadonlyMap<string, string>): Scope => {
    const pseudo = new Map([
      ["AWS::AccountId", account],
      ["AWS::Region", region],
      ["AWS::Partition", "aws"],
      ["AWS::URLSuffix", "amazonaws.com"],
      ["AWS::StackName", stack.name],
      ["AWS::StackId", stack.id]
    ])
    return {
      ref: (name) => {
        const value = pseudo.get(name) ?? parameters.get(name) ?? stack.resources.get(name)?.id
        if (value === undefined) throw new TemplateError(`Unresolved resource dependencies [${name}]`)
        return value
      },
      attribute: (resource, name) => {
        const value = stack.resources.get(resource)?.attributes[name]
        if (value === undefined) throw new TemplateError(`${resource} has no attribute ${name} that this server knows`)
        return value
      }
    }
  }

  const checkRules = (template: Template, scope: Scope): void => {
    for (const { Assertions } of Object.values(template.Rules ?? {})) {
      for (const { Assert, AssertDescription } of Assertions) {
        if (evaluate(Assert, scope) !== true) throw new TemplateError(AssertDescription ?? "an assertion does not hold")
      }
    }
  }

  const nameFor = (stack: Stack, id: string) => `${stack.name}-${id}-${randomBytes(6).toString("hex")}`

  /** Makes a resource, or changes the one that is there. Answers what has to go once all others are done. */
  const settle = async (stack: Stack, id: string, resource: Resource, scope: Scope): Promise<Live | undefined> => {
    const type = typeOf(id, resource)
    const properties = evaluate(resource.Properties ?? {}, scope) as Properties
    const unknown = Object.keys(properties).filter((name) => !(name in type.properties))
    if (unknown.length > 0) {
      throw new TemplateError(`${id}: ${unknown.join(", ")} of ${resource.Type} are not known here`)
    }
    const policies = {
      ...(resource.DeletionPolicy === undefined ? {} : { DeletionPolicy: resource.DeletionPolicy }),
      ...(resource.UpdateReplacePolicy === undefined ? {} : { UpdateReplacePolicy: resource.UpdateReplacePolicy })
    }
    const before = stack.resources.get(id)
    const keep = (made: Made) =>
      stack.resources.set(id, { id: made.id, attributes: made.attributes, type: resource.Type, properties, policies })

    if (before !== undefined && before.type === resource.Type) {
      const names = new Set([...Object.keys(before.properties), ...Object.keys(properties)])
      const changed = [...names].filter((name) => !isDeepStrictEqual(before.properties[name], properties[name]))
      if (changed.length === 0) return void keep(before)
      if (changed.every((name) => type.properties[name] === "updates")) {
        tell(stack, "UPDATE_IN_PROGRESS", id, before)
        keep(await type.update(before, properties))
        return void tell(stack, "UPDATE_COMPLETE", id, before)
      }
    }
    const [verb, reason] = before === undefined
      ? ["CREATE"]
      : ["UPDATE", "Requested update requires the creation of a new physical resource; hence creating one."]
    tell(stack, `${verb}_IN_PROGRESS`, id, { type: resource.Type, ...before }, reason)
    const made = await type.create({ name: nameFor(stack, id), properties })
    keep(made)
    tell(stack, `${verb}_COMPLETE`, id, { ...made, type: resource.Type })
    return before
  }

  const remove = async (stack: Stack, id: string, live: Live, policy: string | undefined): Promise<void> => {
    if (policy === "Retain") return tell(stack, "DELETE_SKIPPED", id, live)
    tell(stack, "DELETE_IN_PROGRESS", id, live)
    await types[live.type]?.remove(live, live.properties)
    tell(stack, "DELETE_COMPLETE", id, live)
  }

  /** Makes the resources what a template says. */
  const apply = async (stack: Stack, { parameters, template: text }: Deployment): Promise<void> => {
    const template = parse(text)
    const scope = scopeOf(stack, parametersOf(template, parameters))
    checkRules(template, scope)
    const replaced: Array<readonly [string, Live]> = []
    for (const id of inOrder(template)) {
      const resource = template.Resources[id]
      if (resource === undefined) continue
      try {
        const before = await settle(stack, id, resource, scope)
        if (before !== undefined) replaced.push([id, before])
      } catch (error) {
        tell(
          stack,
          stack.resources.has(id) ? "UPDATE_FAILED" : "CREATE_FAILED",
          id,
          { type: resource.Type },
          message(error)
        )
        throw new TemplateError(`The following resource(s) failed: [${id}]. ${message(error)}`, { cause: error })
      }
    }
    const outputs = Object.entries(template.Outputs ?? {}).map(([name, { Value }]) => [name, evaluate(Value, scope)])
    for (const [id, before] of replaced.toReversed()) {
      await remove(stack, id, before, before.policies.UpdateReplacePolicy)
    }
    for (const [id, live] of [...stack.resources].toReversed()) {
      if (id in template.Resources) continue
      stack.resources.delete(id)
      await remove(stack, id, live, live.policies.DeletionPolicy)
    }
    stack.outputs = Object.fromEntries(outputs)
  }

  const empty = async (stack: Stack): Promise<void> => {
    for (const [id, live] of [...stack.resources].toReversed()) {
      await remove(stack, id, live, live.policies.DeletionPolicy)
      stack.resources.delete(id)
    }
  }

  /** Does something, and what else there is to do if that fails. */
  const begin = (
    stack: Stack,
    verb: string,
    work: () => Promise<void>,
    goBack: (() => Promise<void>) | undefined
  ): void => {
    enter(stack, `${verb}_IN_PROGRESS`)
    const rollback = verb === "UPDATE" ? "UPDATE_ROLLBACK" : "ROLLBACK"
    stack.settled = work().then(
      () => enter(stack, `${verb}_COMPLETE`),
      async (error: unknown) => {
        if (goBack === undefined) return enter(stack, `${verb}_FAILED`, message(error))
        enter(stack, `${rollback}_IN_PROGRESS`, message(error))
        await goBack().then(
          () => enter(stack, `${rollback}_COMPLETE`),
          (error: unknown) => enter(stack, `${rollback}_FAILED`, message(error))
        )
      }
    )
  }

  return {
    all: () => stacks.filter(({ status }) => status !== "DELETE_COMPLETE"),
    find: (nameOrId) =>
      stacks.find(({ id, name, status }) => id === nameOrId || (name === nameOrId && status !== "DELETE_COMPLETE")),
    open: (name) => {
      const stack: Stack = {
        id: `arn:aws:cloudformation:${region}:${account}:stack/${name}/${randomUUID()}`,
        name,
        created: new Date(),
        updated: undefined,
        status: "REVIEW_IN_PROGRESS",
        reason: undefined,
        current: undefined,
        outputs: {},
        resources: new Map(),
        events: [],
        settled: Promise.resolve()
      }
      stacks.push(stack)
      return stack
    },
    deploy: (stack, deployment) => {
      const { current, status } = stack
      const isNew = status === "REVIEW_IN_PROGRESS"
      if (!isNew && (!status.endsWith("_COMPLETE") || status === "ROLLBACK_COMPLETE")) {
        throw new AwsError("ValidationError", `Stack:${stack.id} is in ${status} state and can not be updated.`)
      }
      stack.current = deployment
      if (current === undefined) return begin(stack, "CREATE", () => apply(stack, deployment), () => empty(stack))
      stack.updated = new Date()
      begin(stack, "UPDATE", () => apply(stack, deployment), () => {
        stack.current = current
        return apply(stack, current)
      })
    },
    remove: (stack) => begin(stack, "DELETE", () => empty(stack), undefined)
  }
}
