/** What went wrong with a request to DynamoDB, in the words of stores, and what to do about it. */
import type { CircuitStoreReason } from "@reclose/core/CircuitStore"
import * as Data from "effect/Data"

export class DynamoFailure extends Data.TaggedError("DynamoFailure")<{
  readonly reason: CircuitStoreReason
  readonly message: string
  readonly cause?: unknown
}> {}

const throttling = new Set([
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "ThrottledException",
  "Throttling",
  "ThrottlingException",
  "TooManyRequestsException"
])

const denied = new Set([
  "AccessDenied",
  "AccessDeniedException",
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
  "SignatureDoesNotMatch",
  "TokenProviderError",
  "UnrecognizedClientException"
])

/** What of an error of the SDK matters. It throws plain errors, too. */
interface SdkError {
  readonly name: string
  readonly message: string
  readonly status: number | undefined
}

const read = (cause: unknown): SdkError => {
  if (!(cause instanceof Error)) return { name: "Error", message: String(cause), status: undefined }
  // Of each connection that was tried.
  const first = cause instanceof AggregateError && cause.errors[0] instanceof Error ? cause.errors[0] : undefined
  const metadata = "$metadata" in cause ? cause.$metadata : undefined
  const status = typeof metadata === "object" && metadata !== null && "httpStatusCode" in metadata
    ? metadata.httpStatusCode
    : undefined
  return {
    name: cause.name,
    message: cause.message || first?.message || cause.name,
    status: typeof status === "number" ? status : undefined
  }
}

const explain = (
  { message, name, status }: SdkError,
  action: string,
  table: string
): readonly [CircuitStoreReason, string] => {
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
  if (throttling.has(name) || status === 429) {
    return [
      "Throttled",
      `table "${table}" is throttled: give it more capacity, or on-demand billing, ` +
      "or let breakers write and refresh less often"
    ]
  }
  if (name === "ValidationException") {
    return /size|exceed/i.test(message)
      ? ["Oversized", `DynamoDB takes no item or key of this size: use a shorter key, or a smaller window (${message})`]
      : [
        "Missing",
        `table "${table}" is not the table that is needed, with one partition key named "key" of type String: ` +
        `correct it or tableName (${message})`
      ]
  }
  return name === "TimeoutError"
    ? ["Timeout", `DynamoDB did not answer ${action} in time: check the network and the endpoint (${message})`]
    : [
      "Unavailable",
      `DynamoDB did not do ${action} on table "${table}": check region, endpoint and network (${message})`
    ]
}

/** What an error of the SDK means for a store. */
export const fromSdkError = (cause: unknown, action: string, table: string): DynamoFailure => {
  const [reason, message] = explain(read(cause), action, table)
  return new DynamoFailure({ reason, message, cause })
}

/** Whether the same request may fare better a little later. */
export const isTransient = ({ reason }: DynamoFailure): boolean =>
  reason === "Throttled" || reason === "Unavailable" || reason === "Timeout"
