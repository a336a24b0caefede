/** Hashes what requests hold, so that no key holds it. */
import * as Effect from "effect/Effect"

/** Returns the first bytes of a SHA-256 of the salt and the text, in hexadecimal digits. */
export const fingerprint = (text: string, bytes: number, salt: string): Effect.Effect<string> =>
  Effect.map(
    // The length tells the two apart: no text continues another salt.
    Effect.promise(() =>
      globalThis.crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${salt.length}:${salt}${text}`))
    ),
    (digest) => Array.from(new Uint8Array(digest, 0, bytes), (byte) => byte.toString(16).padStart(2, "0")).join("")
  )

let salt: string | undefined

/** Returns the salt of this process. A hash reveals nothing without it, and no other process knows it. */
export const processSalt = (): string => {
  if (salt !== undefined) return salt
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16))
  return salt = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
}
