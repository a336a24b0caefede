/**
 * Where the machine does something else than the specification says, or than the model reads in it. The model follows
 * the machine where a departure is `true`, and the specification where it is `false`: so a machine that is mended makes
 * the property fail until its departure is gone from here.
 */
export interface Departures {
  /** A call rejected by force, or run by a disabled circuit, doesn't notice that a trial's deadline has passed. */
  readonly forcedCallsAreBlind: boolean
  /** A circuit reset while it warms up is warm. */
  readonly resetEndsWarmUp: boolean
  /** The age of the calls in flight is judged when any call ends, before its outcome is read: ignored or late, too. */
  readonly everyResultIsJudged: boolean
}

export const machineAsIs: Departures = {
  forcedCallsAreBlind: true,
  resetEndsWarmUp: true,
  everyResultIsJudged: true
}
