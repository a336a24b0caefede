/**
 * Where the machine does something else than the specification says, or than the model reads in it. The model follows
 * the machine where a departure is `true`, and the specification where it is `false`: so a machine that is mended makes
 * the property fail until its departure is gone from here.
 */
export interface Departures {
  /**
   * When a call ends that counts, the age of the others is judged before its outcome is recorded and not with it: so
   * `all` may open on evidence that the outcome contradicts, and a `retryAfter` is lost.
   */
  readonly agesComeFirst: boolean
}

export const machineAsIs: Departures = { agesComeFirst: true }
