/** What the function under test is asked, and what it answers. */

export interface Event {
  readonly key: string
  /** Whether an operator resets the circuit first. */
  readonly reset?: boolean
  /** Guarded calls, one after the other. */
  readonly calls?: ReadonlyArray<"succeed" | "fail">
  /** How the invocation ends, if it does not answer: `reject` with the error of a call that is rejected. */
  readonly ending?: "fail" | "reject" | "die" | "hang"
}

export interface Answer {
  /** How each call ended for whoever made it. */
  readonly ends: ReadonlyArray<string>
  /** How many of them ran. */
  readonly began: number
  readonly phase: string
}
