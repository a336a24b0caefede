/** What kinds of resources are made from: properties of the right type, and the world that they come into. */
import type { Queue } from "../../../../packages/lambda/test/sqs/SqsModel.ts"
import type { Functions } from "./Functions.ts"
import type { Iam } from "./Iam.ts"
import type { Objects } from "./S3.ts"
import type { Properties, ResourceType } from "./Stacks.ts"
import { TemplateError } from "./Template.ts"
import type { Parameters } from "./Wire.ts"

export interface World {
  readonly account: string
  readonly region: string
  readonly endpoint: () => string
  readonly iam: Iam
  readonly objects: Objects
  readonly functions: Functions
  readonly queues: Array<Queue>
  /** Where lines of logs go. */
  readonly ingest: (line: string) => void
  readonly dynamo: (operation: string, input: object) => Promise<Parameters>
}

/** What is there to be looked at, and does nothing. */
export const inert = (
  properties: ResourceType["properties"],
  attributes: (name: string) => Readonly<Record<string, string>> = () => ({})
): ResourceType => ({
  properties,
  create: ({ name }) => ({ id: name, attributes: attributes(name) }),
  update: (made) => made,
  remove: () => {}
})

export const string = (properties: Properties, name: string): string => {
  const value = properties[name]
  if (typeof value !== "string") throw new TemplateError(`Properties validation failed: ${name} has to be a text`)
  return value
}

export const number = (properties: Properties, name: string, otherwise: number): number => {
  const value = properties[name] ?? otherwise
  if (typeof value !== "number") throw new TemplateError(`Properties validation failed: ${name} has to be a number`)
  return value
}

export const record = (properties: Properties, name: string): Properties => {
  const value = properties[name]
  if (typeof value !== "object" || value === null) throw new TemplateError(`${name} has to be an object`)
  // Only read by name, and each value is checked.
  return value as Properties
}

export const strings = (properties: Properties, name: string): ReadonlyArray<string> => {
  const value = properties[name] ?? []
  if (!Array.isArray(value)) throw new TemplateError(`${name} has to be a list`)
  return value.map(String)
}
