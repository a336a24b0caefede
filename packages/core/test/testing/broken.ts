/** Stores that are wrong in one thing each: whoever proves stores has to find it. */
import { Duration } from "effect"
import { changeFlaws } from "./broken/changeFlaws.ts"
import { contentionFlaws } from "./broken/contentionFlaws.ts"
import { keyFlaws } from "./broken/keyFlaws.ts"
import { listFlaws } from "./broken/listFlaws.ts"
import { recordFlaws } from "./broken/recordFlaws.ts"
import { registerFlaws } from "./broken/registerFlaws.ts"
import { timeFlaws } from "./broken/timeFlaws.ts"
import type { Flaw } from "./broken/World.ts"

export const flaws: ReadonlyArray<Flaw> = [
  ...registerFlaws,
  ...recordFlaws,
  ...keyFlaws,
  ...contentionFlaws,
  ...timeFlaws,
  ...changeFlaws,
  ...listFlaws
]

/** Enough for a store in memory, and not long to wait for one that never answers. */
export const timeout = Duration.seconds(5)
