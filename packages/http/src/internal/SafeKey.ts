/** Makes any text a key that a breaker takes. */
import * as Policy from "@reclose/core/Policy"
import * as Hash from "effect/Hash"

/** Room for the hash below the 512 characters that a key may have. */
const longest = 500

// What `Policy.isKey` refuses, by character.
const unsafe = /[\p{Cc}\p{Cs}\u2028\u2029]/gu

/** Texts that differ have keys that differ, but for what is replaced in them and one chance in four billion. */
export const safeKey = (text: string): string => {
  // Asked as of unknown type: as a text that is no key it would have none.
  const key: unknown = text
  if (Policy.isKey(key)) return key
  const short = text.length > longest
    ? `${text.slice(0, longest)}~${(Hash.string(text) >>> 0).toString(16).padStart(8, "0")}`
    : text
  return short.replaceAll(unsafe, "\uFFFD")
}
