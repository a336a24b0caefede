/** Attributes of messages, as SQS takes them. */
import type * as AwsLambda from "aws-lambda"

/** How many a message may have. */
export const maxAttributes = 10

const longest = 1_000

/** What SQS takes for text. */
const toText = (text: string): string => {
  // Cut first: what is cut in two is half a character.
  const clean = text.slice(0, longest).replaceAll(/\p{Surrogate}|[^\t\n\r -\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd")
  return clean === "" ? "none" : clean
}

/** The attributes of a message with some of our own, which come first where there is no room for all. */
export const attributesWith = (
  attributes: AwsLambda.SQSMessageAttributes,
  own: Readonly<Record<string, string>>,
  limit: number
): AwsLambda.SQSMessageAttributes => {
  const added = Object.entries(own).map(([name, text]) => [name, { dataType: "String", stringValue: toText(text) }])
  const kept = Object.entries(attributes).filter(([name]) => !(name in own))
  return Object.fromEntries([...added, ...kept].slice(0, limit))
}
