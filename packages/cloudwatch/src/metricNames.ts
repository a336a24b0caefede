/**
 * The names under which circuits are counted in CloudWatch.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"

/**
 * The namespace, unless set otherwise.
 *
 * @category constants
 * @since 0.1.0
 */
export const namespace = "Reclose"

/**
 * The names of the metrics, as CloudWatch shows them.
 *
 * **Details**
 *
 * - `CircuitOpened`, `CircuitHalfOpened`, `CircuitClosed`: how often circuits changed to that phase.
 * - `CircuitReopened`: how often a closed circuit opened that had opened before and had not stayed closed for long. Each is
 *   an opening, too.
 * - `RecoveryFailed`: how often a half-open circuit opened again. Each is an opening, too.
 * - `CallsSucceeded`, `CallsFailed`, `CallsIgnored`: calls that ran, by their outcome.
 * - `CallsRejected`: calls that did not run.
 * - `OpenCircuits`: how many circuits reject calls. It is a level, all others are counts.
 * - `StoreFailures`: in each invocation, the circuits for which the store does not do what it is asked.
 *
 * @category constants
 * @since 0.1.0
 */
export const names = {
  circuitOpened: "CircuitOpened",
  circuitClosed: "CircuitClosed",
  circuitHalfOpened: "CircuitHalfOpened",
  circuitReopened: "CircuitReopened",
  recoveryFailed: "RecoveryFailed",
  callsSucceeded: "CallsSucceeded",
  callsFailed: "CallsFailed",
  callsRejected: "CallsRejected",
  callsIgnored: "CallsIgnored",
  openCircuits: "OpenCircuits",
  storeFailures: "StoreFailures"
} as const

/**
 * A metric's name.
 *
 * @category models
 * @since 0.1.0
 */
export type MetricName = typeof names[keyof typeof names]

/**
 * The names of the dimensions. Each metric is written for the service alone, and again for each of its circuits.
 *
 * @category constants
 * @since 0.1.0
 */
export const dimensions = { service: "service", circuit: "circuit" } as const

/** The most that the CDK accepts. CloudWatch itself accepts 1,024 characters. */
const maxLength = 255

/** In hexadecimal digits: 64 bits, by which no two of a million long keys are likely to meet. */
const hashLength = 16

/**
 * Returns the value of a dimension for a service's name or a circuit's key: 1 to 255 characters of printable ASCII, at
 * least one of them not blank. Different texts have different values.
 *
 * **Details**
 *
 * - What is outside of printable ASCII is percent-encoded as UTF-8, and so is `%`. A text of blanks alone is encoded, too.
 * - A value of more than 255 characters is cut, and ends with `~` and a hash of the whole.
 * - The value of an empty text is `%`.
 *
 * **Example** (Values in CloudWatch)
 *
 * ```ts
 * import { toDimensionValue } from "@reclose/cloudwatch"
 *
 * toDimensionValue("https://quotes.example:443/v1") // => "https://quotes.example:443/v1"
 * toDimensionValue("100% größe") // => "100%25 gr%C3%B6%C3%9Fe"
 * toDimensionValue("x".repeat(300)).length // => 255
 * ```
 *
 * @category conversions
 * @since 0.1.0
 */
export const toDimensionValue = (text: string): string => {
  if (text === "") return "%"
  const encode = text.trim() === "" ? /[^]/gu : /[^\x20-\x24\x26-\x7e]/gu
  const encoded = text.replaceAll(encode, percentEncode)
  if (encoded.length <= maxLength) return encoded
  const hash = createHash("sha256").update(encoded).digest("hex").slice(0, hashLength)
  // Half of an encoded byte is of no use to a reader.
  const prefix = encoded.slice(0, maxLength - hashLength - 1).replace(/%[^%]?$/, "")
  return `${prefix}~${hash}`
}

/** Encodes one character. Half of a surrogate pair, which UTF-8 has no bytes for, is encoded as any other of its size. */
const percentEncode = (character: string): string => {
  const code = character.codePointAt(0) ?? 0
  const bytes = code >= 0xd800 && code <= 0xdfff
    ? [0xe0 | code >> 12, 0x80 | code >> 6 & 0x3f, 0x80 | code & 0x3f]
    : Buffer.from(character)
  return Array.from(bytes, (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("")
}

/**
 * A name that CloudWatch does not accept.
 *
 * @category models
 * @since 0.1.0
 */
export interface NameIssue {
  readonly field: "service" | "namespace"
  readonly value: string
  /** What the name must be, as the rest of a sentence. */
  readonly allowed: string
}

/**
 * Returns every reason why metrics can't be written under these names: an empty list if they can.
 *
 * **Example** (A blank name)
 *
 * ```ts
 * import { nameIssues } from "@reclose/cloudwatch"
 *
 * nameIssues({ service: " " }).map(({ allowed, field }) => `${field} must be ${allowed}`)
 * // => ["service must be 1 to 255 characters that are not all blank"]
 * ```
 *
 * @category validation
 * @since 0.1.0
 */
export const nameIssues = (
  { namespace: space = namespace, service }: { readonly service: string; readonly namespace?: string | undefined }
): ReadonlyArray<NameIssue> => {
  const issues: Array<NameIssue> = []
  if (typeof service !== "string" || service.length > 255 || service.trim() === "") {
    issues.push({ field: "service", value: service, allowed: "1 to 255 characters that are not all blank" })
  }
  if (!/^[\w.\-/#: ]{1,255}$/.test(space) || space.startsWith("AWS/") || space.startsWith(":") || space.trim() === "") {
    issues.push({
      field: "namespace",
      value: space,
      allowed: `1 to 255 letters, digits, blanks and ".-_/#:", and not begin with "AWS/" or ":"`
    })
  }
  return issues
}
