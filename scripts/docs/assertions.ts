import { addEqualityTesters } from "@effect/vitest"
import { format } from "node:util"
import { expect, vi } from "vitest"

addEqualityTesters()

let output = ""

/** Keeps what the examples print off the terminal, and the last of it for `logged`. */
export const captureOutput = (): void => {
  for (const method of ["log", "info", "warn", "error", "debug"] as const) {
    vi.spyOn(console, method).mockImplementation((...values: ReadonlyArray<unknown>) => {
      output = format(...values)
    })
  }
}

/** `expression // => value` */
export const equal = (actual: unknown, expected: unknown): void => expect(actual).toEqual(expected)

/** `console.log(…) // => text` */
export const logged = (expected: string): void => expect(output).toBe(expected)
