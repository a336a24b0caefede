/** What went wrong with a request to DynamoDB, in the words of stores, and what to do about it. */
import type { CircuitStoreReason } from "@reclose/core/CircuitStore"
import * as Data from "effect/Data"

export class DynamoFailure extends Data.TaggedError("DynamoFailure")<{
  readonly reason: CircuitStoreReason
  readonly message: string
  readonly cause?: unknown
  /** Whether the same request may succeed if it is sent again: never unless set. */
  readonly retry?: "Never" | "Once" | "Often"
}> {}

// The two lists hold at least what the SDK's own lists hold: a client that sends a request once has no other retries.
const throttling = new Set([
  "BandwidthLimitExceeded",
  "EC2ThrottledException",
  "LimitExceededException",
  "PriorRequestNotComplete",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "RequestThrottled",
  "RequestThrottledException",
  "SlowDown",
  "ThrottledException",
  "Throttling",
  "ThrottlingException",
  "TooManyRequestsException",
  "TransactionInProgressException"
])

const networkCodes = new Set([
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT"
])

const denied = new Set([
  "AccessDenied",
  "AccessDeniedException",
  "AuthFailure",
  "CredentialsProviderError",
  "ExpiredToken",
  "ExpiredTokenException",
  "IncompleteSignatureException",
  "InvalidClientTokenId",
  "InvalidSignatureException",
  "MissingAuthenticationToken",
  "MissingAuthenticationTokenException",
  "NotAuthorized",
  "RequestExpired",
  "RequestInTheFuture",
  "RequestTimeTooSkewed",
  "SignatureDoesNotMatch",
  "TokenProviderError",
  "UnrecognizedClientException"
])

const timeouts = new Set(["RequestTimeout", "RequestTimeoutException", "TimeoutError"])

const transientStatus = new Set([429, 500, 502, 503, 504])

/** What of an error of the SDK matters. It throws plain errors, too. */
interface SdkError {
  readonly name: string
  readonly message: string
  readonly status: number | undefined
  /** Whether another attempt is signed at a better time than this one was. */
  readonly isSignedAnew: boolean
  /** Whether it, or what caused it, passes: a lost connection, a service that fails for a moment. */
  readonly isTransient: boolean
}

const read = (cause: unknown): SdkError => {
  if (!(cause instanceof Error)) {
    return { name: "Error", message: String(cause), status: undefined, isSignedAnew: false, isTransient: false }
  }
  // Of each connection that was tried.
  const first = cause instanceof AggregateError && cause.errors[0] instanceof Error ? cause.errors[0] : undefined
  const metadata = "$metadata" in cause && isObject(cause.$metadata) ? cause.$metadata : {}
  const status = metadata["httpStatusCode"]
  return {
    name: cause.name,
    message: cause.message || first?.message || cause.name,
    status: typeof status === "number" ? status : undefined,
    // The SDK sets its clock by the date of each answer. A container that was frozen has signed before it was.
    isSignedAnew: metadata["clockSkewCorrected"] === true || cause.message.includes("Signature expired"),
    isTransient: isTransient(cause)
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

/** As the SDK decides, which looks at causes, too: credentials may come from a service that is not reached. */
const isTransient = (error: unknown, depth = 10): boolean =>
  isObject(error) &&
  (error["$retryable"] !== undefined || networkCodes.has(String(error["code"])) ||
    timeouts.has(String(error["name"])) || throttling.has(String(error["name"])) ||
    isObject(error["$metadata"]) && transientStatus.has(Number(error["$metadata"]["httpStatusCode"])) ||
    depth > 0 && isTransient(error["cause"], depth - 1))

/** What DynamoDB says of a name or an ARN that no table can have. */
const aboutName = /table\s?name|table\/index name|tablearn|resourcearn|valid arn/i

/** What it says of a table with another key than ours. */
const aboutSchema = /schema|key element|missing the key|required keys|type mismatch for key/i

const explain = (
  { message, name, status }: SdkError,
  action: string,
  table: string
): readonly [CircuitStoreReason, string] => {
  const unavailable = [
    "Unavailable",
    `DynamoDB did not do ${action} on table "${table}": check region, endpoint and network (${message})`
  ] as const
  if (throttling.has(name) || status === 429) {
    return [
      "Throttled",
      `table "${table}" is throttled: give it more capacity, or on-demand billing, ` +
      "or let breakers write and refresh less often"
    ]
  }
  if (status !== undefined && status >= 500) return unavailable
  if (name === "ResourceNotFoundException") {
    return [
      "Missing",
      `there is no table "${table}" in this region and account: create it (CDK, CloudFormation, DynamoTable.createTable)` +
      " or correct tableName, region or endpoint"
    ]
  }
  if (denied.has(name)) {
    return [
      "Denied",
      `DynamoDB refuses ${action} on table "${table}": allow this program dynamodb:${action} on it, ` +
      `and check its credentials and its clock (${name}: ${message})`
    ]
  }
  if (name === "ValidationException") return explainMistake(message, action, table)
  return timeouts.has(name)
    ? ["Timeout", `DynamoDB did not answer ${action} in time: check the network and the endpoint (${message})`]
    : unavailable
}

const explainMistake = (message: string, action: string, table: string): readonly [CircuitStoreReason, string] => {
  if (aboutName.test(message)) {
    return [
      "Missing",
      `"${table}" is not the name of a table: set tableName to 3 to 255 letters, digits, "_", "-" and ".", ` +
      `or to the ARN of a table (${message})`
    ]
  }
  if (/size|exceed/i.test(message)) {
    return [
      "Oversized",
      `DynamoDB takes no item or key of this size: use a shorter key, or a smaller window (${message})`
    ]
  }
  return [
    "Missing",
    aboutSchema.test(message)
      ? `table "${table}" is not the table that is needed, with one partition key named "key" of type String: ` +
        `correct it or tableName (${message})`
      : `DynamoDB refuses ${action} on table "${table}" as a mistake: check tableName, ` +
        `and that the table has one partition key named "key" of type String (${message})`
  ]
}

/** What an error of the SDK means for a store. */
export const fromSdkError = (cause: unknown, action: string, table: string): DynamoFailure => {
  const error = read(cause)
  const [reason, message] = explain(error, action, table)
  return new DynamoFailure({ reason, message, cause, retry: retryOf(reason, error) })
}

const retryOf = (reason: CircuitStoreReason, { isSignedAnew, isTransient }: SdkError) => {
  if (reason === "Throttled" || reason === "Unavailable" || reason === "Timeout" || isTransient) return "Often"
  // With a signature of now, a second denial is about something else.
  return isSignedAnew ? "Once" : "Never"
}
