/** How requests to AWS come in and answers go out, in the protocols that its services speak. */

/** A request, once it is known who sends it to which service. */
export interface Call {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** The ARN of who asks. */
  readonly caller: string
  /** Fails unless the caller has the right, as IAM would. */
  readonly authorize: (action: string, resource: string) => void
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer
}

export type Service = (call: Call) => Answer | Promise<Answer>

/** An error as AWS answers it: the service's protocol says in what form. */
export class AwsError extends Error {
  readonly code: string
  readonly status: number

  constructor(code: string, message: string, status = 400) {
    super(message)
    this.code = code
    this.status = status
  }
}

export const accessDenied = (caller: string, action: string, resource: string): AwsError =>
  new AwsError("AccessDenied", `User: ${caller} is not authorized to perform: ${action} on resource: ${resource}`, 403)

const escape = (text: string): string =>
  text.replace(/[<>&"]/g, (one) => ({ "<": "&lt;", ">": "&gt;", "&": "&amp;", "\"": "&quot;" })[one] ?? one)

export type Xml = string | number | boolean | undefined | ReadonlyArray<Xml> | { readonly [name: string]: Xml }

/** Lists are made of `member`s, as in the Query protocol. */
export const xml = (value: Xml): string => {
  if (value === undefined) return ""
  if (Array.isArray(value)) return value.map((one) => `<member>${xml(one)}</member>`).join("")
  if (typeof value !== "object") return escape(String(value))
  return Object.entries(value).map(([name, one]) => one === undefined ? "" : `<${name}>${xml(one)}</${name}>`).join("")
}

const asXml = (status: number, body: string): Answer => ({
  status,
  headers: { "content-type": "text/xml" },
  body: `<?xml version="1.0" encoding="UTF-8"?>\n${body}`
})

/** Parameters come as a form, answers are XML: STS and CloudFormation. */
export const query = (
  namespace: string,
  actions: Readonly<Record<string, (parameters: URLSearchParams, call: Call) => Xml | Promise<Xml>>>
): Service =>
async (call) => {
  const parameters = new URLSearchParams(call.body.toString("utf8"))
  const name = parameters.get("Action") ?? ""
  try {
    const action = actions[name]
    if (action === undefined) throw new AwsError("InvalidAction", `this server knows no action ${name}`)
    const result = xml(await action(parameters, call))
    const metadata = xml({ ResponseMetadata: { RequestId: "00000000-0000-0000-0000-000000000000" } })
    return asXml(
      200,
      `<${name}Response xmlns="${namespace}"><${name}Result>${result}</${name}Result>${metadata}</${name}Response>`
    )
  } catch (error) {
    const { code, message, status } = toAwsError(error)
    const told = xml({ Error: { Type: "Sender", Code: code, Message: message }, RequestId: "0" })
    return asXml(status, `<ErrorResponse xmlns="${namespace}">${told}</ErrorResponse>`)
  }
}

/** The operation stands in a header, parameters and answers are JSON: SSM, SQS and DynamoDB. */
const operationOf = (call: Call): string => call.headers["x-amz-target"]?.split(".").at(-1) ?? ""

const jsonAnswer = async (call: Call, answer: (input: Parameters) => unknown): Promise<Answer> => {
  const headers = { "content-type": call.headers["content-type"] ?? "application/x-amz-json-1.0" }
  try {
    const result = await answer(JSON.parse(call.body.toString("utf8")))
    return { status: 200, headers, body: JSON.stringify(result ?? {}) }
  } catch (error) {
    const { code, message } = toAwsError(error)
    // Named like this in JSON, and without the end in XML.
    const type = code === "AccessDenied" ? "AccessDeniedException" : code
    return { status: 400, headers, body: JSON.stringify({ __type: type, message }) }
  }
}

export const json = (
  actions: Readonly<Record<string, (parameters: Parameters, call: Call) => unknown>>
): Service =>
(call) =>
  jsonAnswer(call, (input) => {
    const name = operationOf(call)
    const action = actions[name]
    if (action === undefined) throw new AwsError("UnknownOperationException", `this server knows no operation ${name}`)
    return action(input, call)
  })

/** A service that another server on this machine does the work of, once it is known that the caller has the right. */
export const forwarded = (
  endpoint: string,
  rights: (operation: string, input: Parameters) => ReadonlyArray<readonly [action: string, resource: string]>
): Service =>
async (call) => {
  const refused = await jsonAnswer(call, (input) => {
    for (const [action, resource] of rights(operationOf(call), input)) call.authorize(action, resource)
  })
  if (refused.status !== 200) return refused
  const answer = await fetch(endpoint, {
    method: "POST",
    headers: {
      "content-type": call.headers["content-type"] ?? "",
      "x-amz-target": call.headers["x-amz-target"] ?? "",
      "x-amz-date": call.headers["x-amz-date"] ?? "",
      authorization: call.headers["authorization"] ?? ""
    },
    body: call.body.toString("utf8"),
    signal: AbortSignal.timeout(10_000)
  })
  const checksum = answer.headers.get("x-amz-crc32")
  return {
    status: answer.status,
    headers: {
      "content-type": answer.headers.get("content-type") ?? "",
      ...(checksum === null ? {} : { "x-amz-crc32": checksum })
    },
    body: Buffer.from(await answer.arrayBuffer())
  }
}

/** What a client sent as JSON, of any shape. */
export type Parameters = { readonly [name: string]: unknown }

export const toAwsError = (error: unknown): AwsError =>
  error instanceof AwsError
    ? error
    : new AwsError("InternalFailure", error instanceof Error ? (error.stack ?? error.message) : String(error), 500)

/** A text that has to be there. */
export const text = (parameters: Parameters, name: string): string => {
  const value = parameters[name]
  if (typeof value !== "string") throw new AwsError("ValidationException", `${name} is missing, or is no text`)
  return value
}
