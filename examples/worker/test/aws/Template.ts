/**
 * The part of CloudFormation's language that the stacks here are written in. Anything else is an error: a template that is
 * half understood would prove nothing.
 */

export interface Resource {
  readonly Type: string
  readonly Properties?: Readonly<Record<string, unknown>>
  readonly DependsOn?: string | ReadonlyArray<string>
  readonly DeletionPolicy?: string
  readonly UpdateReplacePolicy?: string
  readonly Metadata?: unknown
}

export interface Template {
  readonly Resources: Readonly<Record<string, Resource>>
  readonly Outputs?: Readonly<Record<string, { readonly Value: unknown; readonly Description?: string }>>
  readonly Parameters?: Readonly<Record<string, { readonly Type: string; readonly Default?: string }>>
  readonly Rules?: Readonly<
    Record<string, {
      readonly Assertions: ReadonlyArray<{ readonly Assert: unknown; readonly AssertDescription?: string }>
    }>
  >
}

/** What a template can refer to. */
export interface Scope {
  /** The value of `Ref` for a parameter, a pseudo parameter or a resource. */
  readonly ref: (name: string) => unknown
  readonly attribute: (resource: string, name: string) => unknown
}

export class TemplateError extends Error {}

const known: ReadonlySet<string> = new Set(["Resources", "Outputs", "Parameters", "Rules"])

const knownOfResource: ReadonlySet<string> = new Set([
  "Type",
  "Properties",
  "DependsOn",
  "DeletionPolicy",
  "UpdateReplacePolicy",
  "Metadata"
])

const refuseUnknown = (what: string, value: object, known: ReadonlySet<string>): void => {
  const unknown = Object.keys(value).filter((key) => !known.has(key))
  if (unknown.length > 0) throw new TemplateError(`${what} has ${unknown.join(", ")}, which this server does not know`)
}

export const parse = (text: string): Template => {
  // What it has to be is checked below, as far as it is used.
  const template = JSON.parse(text) as Template
  refuseUnknown("the template", template, known)
  for (const [id, resource] of Object.entries(template.Resources)) {
    refuseUnknown(`resource ${id}`, resource, knownOfResource)
  }
  return template
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The name and argument of a function call, which is an object with one key. */
const callOf = (value: Readonly<Record<string, unknown>>): readonly [name: string, argument: unknown] | undefined => {
  const [[name, argument] = ["", undefined], ...more] = Object.entries(value)
  if (name !== "Ref" && !name.startsWith("Fn::") && name !== "Condition") return undefined
  // Conditions of IAM policies have the name of a function's, and are none.
  if (name === "Condition" && typeof argument !== "string") return undefined
  return more.length === 0 ? [name, argument] : undefined
}

const list = (name: string, argument: unknown): ReadonlyArray<unknown> => {
  if (!Array.isArray(argument)) throw new TemplateError(`${name} wants a list`)
  return argument
}

const string = (name: string, value: unknown): string => {
  if (typeof value !== "string") throw new TemplateError(`${name} wants a text and got ${JSON.stringify(value)}`)
  return value
}

const placeholders = /\$\{([^!}][^}]*)\}/g

/** What a value stands for. A property that is `AWS::NoValue` is left out. */
export const evaluate = (value: unknown, scope: Scope): unknown => {
  if (Array.isArray(value)) return value.map((one) => evaluate(one, scope)).filter((one) => one !== undefined)
  if (!isObject(value)) return value
  const call = callOf(value)
  if (call === undefined) {
    return Object.fromEntries(
      Object.entries(value).flatMap(([key, one]) => {
        const result = evaluate(one, scope)
        return result === undefined ? [] : [[key, result]]
      })
    )
  }
  const [name, argument] = call
  switch (name) {
    case "Ref":
      return argument === "AWS::NoValue" ? undefined : scope.ref(string(name, argument))
    case "Fn::GetAtt": {
      const [resource, attribute] = typeof argument === "string" ? argument.split(".", 2) : list(name, argument)
      return scope.attribute(string(name, resource), string(name, attribute))
    }
    case "Fn::Join": {
      const [separator, parts] = list(name, argument)
      return list(name, evaluate(parts, scope)).map((part) => string(name, part)).join(string(name, separator))
    }
    case "Fn::Sub": {
      const [pattern, variables] = typeof argument === "string" ? [argument, {}] : list(name, argument)
      const given = evaluate(variables, scope)
      return string(name, pattern).replace(placeholders, (_, key: string) => {
        if (isObject(given) && key in given) return string(name, given[key])
        const [resource = "", attribute] = key.split(".", 2)
        return string(name, attribute === undefined ? scope.ref(resource) : scope.attribute(resource, attribute))
      })
    }
    case "Fn::Select": {
      const [index, from] = list(name, argument)
      return list(name, evaluate(from, scope))[Number(index)]
    }
    case "Fn::Not":
      return evaluate(list(name, argument)[0], scope) !== true
    case "Fn::Contains": {
      const [values, one] = list(name, argument)
      return list(name, evaluate(values, scope)).includes(evaluate(one, scope))
    }
    default:
      throw new TemplateError(`${name} is a function that this server does not know`)
  }
}

/** The resources that a value refers to. */
const referred = (value: unknown): ReadonlyArray<string> => {
  if (Array.isArray(value)) return value.flatMap(referred)
  if (!isObject(value)) return []
  const [name, argument] = callOf(value) ?? []
  if (name === "Ref") return [string(name, argument)]
  if (name === "Fn::GetAtt") {
    return [string(name, Array.isArray(argument) ? argument[0] : String(argument).split(".")[0])]
  }
  const inText = name === "Fn::Sub"
    ? [...String([argument].flat()[0]).matchAll(placeholders)].map(([, key = ""]) => key.split(".")[0] ?? "")
    : []
  return [...inText, ...Object.values(value).flatMap(referred)]
}

/** Resources in an order in which each comes after all that it needs. */
export const inOrder = ({ Resources }: Template): ReadonlyArray<string> => {
  const done: Array<string> = []
  const visit = (id: string, path: ReadonlyArray<string>): void => {
    const resource = Resources[id]
    // A parameter, or a pseudo parameter.
    if (resource === undefined || done.includes(id)) return
    if (path.includes(id)) {
      throw new TemplateError(`Circular dependency between resources: [${[...path, id].join(", ")}]`)
    }
    for (const other of [...referred(resource.Properties), ...[resource.DependsOn ?? []].flat()]) {
      visit(other, [...path, id])
    }
    done.push(id)
  }
  Object.keys(Resources).forEach((id) => visit(id, []))
  return done
}
