/** What may name a circuit. */
import { PolicyError, type PolicyIssue } from "../PolicyError.ts"

/** Stores limit the length of their keys; this leaves room for a prefix in each that the project knows of. */
const maxKeyLength = 512

// Control characters break logs, terminals and keys of stores; a lone surrogate has no encoding that comes back equal.
const unsafe = /[\p{Cc}\p{Cs}\u2028\u2029]/u

const allowed = `1 to ${maxKeyLength} characters, none of them a control character or half of a surrogate pair`

export const isKey = (key: unknown): key is string =>
  typeof key === "string" && key.length > 0 && key.length <= maxKeyLength && !unsafe.test(key)

export const keyIssue = (field: string, key: unknown): PolicyIssue => ({ field, value: key, allowed })

export const keyError = (key: unknown): PolicyError => new PolicyError({ issues: [keyIssue("key", key)] })
