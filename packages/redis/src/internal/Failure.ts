/** What an error of Redis means for a store, and what to do about it. */
import { CircuitStoreError, type CircuitStoreReason } from "@reclose/core/CircuitStore"
import type { RedisError } from "effect/persistence/Redis"

type Operation = CircuitStoreError["operation"]

interface Meaning {
  /** Redis begins its errors with a code; of an error inside a script, older ones tell the code later in the text. */
  readonly pattern: RegExp
  readonly reason: CircuitStoreReason
  readonly advice: string
}

const meanings: ReadonlyArray<Meaning> = [
  {
    pattern: /\bWRONGTYPE\b/,
    reason: "WrongType",
    advice: "the key holds no string; it is left alone: delete it, or give circuits a prefix of their own"
  },
  {
    // What a script may not do has no code of its own before Redis 7.2.
    pattern: /\b(?:NOAUTH|WRONGPASS|NOPERM|DENIED)\b|ACL failure in script|user executing the script/,
    reason: "Denied",
    advice:
      "Redis refuses this user: check its password, and give it the rights that the README of @reclose/redis lists"
  },
  {
    pattern: /\bREADONLY\b/,
    reason: "Unavailable",
    advice: "this Redis is a replica and takes no writes, as after a failover: connect to the primary"
  },
  {
    pattern: /\b(?:MOVED|ASK|CROSSSLOT)\b/,
    reason: "Unavailable",
    advice: "the key is on another node of the cluster: use a Redis client that follows a cluster"
  },
  {
    pattern: /\bOOM\b/,
    reason: "Unavailable",
    advice: "Redis has no memory left for writes: raise its maxmemory, or remove what it need not hold"
  },
  {
    pattern: /\b(?:LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|BUSY)\b/,
    reason: "Unavailable",
    advice: "Redis can't serve this now; it should by itself, or its operator has to look at it"
  },
  {
    pattern: /\bMISCONF\b/,
    reason: "Unavailable",
    advice: "Redis can't save to its disk and takes no writes: its operator has to look at it"
  },
  {
    pattern: /exceeds maximum allowed size/,
    reason: "Oversized",
    advice: "the record is larger than Redis takes: raise its proto-max-bulk-len"
  },
  {
    pattern: /\bunknown command\b|Error compiling script/,
    reason: "Unavailable",
    advice: "this Redis lacks what circuits need: use Redis 6 or newer, or what speaks like it, with scripts"
  },
  {
    pattern: /\btime(?:d )?out\b|\bETIMEDOUT\b/i,
    reason: "Timeout",
    advice: "Redis did not answer in time: check the network and what keeps Redis busy"
  }
]

const otherwise: Omit<Meaning, "pattern"> = {
  reason: "Unavailable",
  advice: "Redis could not be reached, or failed: check that it runs, and its address"
}

/** Some errors of sockets have a code and no message. */
export const textOf = (cause: unknown): string =>
  cause instanceof Error ? cause.message || ("code" in cause ? String(cause.code) : cause.name) : String(cause)

export const failureOf = (operation: Operation, key: string) => ({ cause }: RedisError): CircuitStoreError => {
  const text = textOf(cause).slice(0, 280)
  const { advice, reason } = meanings.find(({ pattern }) => pattern.test(text)) ?? otherwise
  return new CircuitStoreError({ key, operation, reason, message: `${advice} (${text})`, cause })
}
