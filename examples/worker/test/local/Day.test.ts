/** The day that `pnpm --filter worker start` tells of: what must hold at its end, and that it can be ended at any time. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { live, type News } from "../../src/local/Day.ts"
import { lineOf, summaryOf } from "../../src/local/story.ts"

interface Status {
  readonly pid: number
  readonly parent: number
  readonly state: string
}

/** All processes of this machine, as Linux tells of them. */
const processes = (): ReadonlyArray<Status> =>
  readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8")
      const [state = "", parent = ""] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
      return [{ pid: Number(name), parent: Number(parent), state }]
    } catch {
      return [] // It has ended meanwhile.
    }
  })

/** Those that a process has started, and those that they have, and so on. */
const descendants = (pid: number, all = processes()): ReadonlyArray<Status> =>
  all.filter(({ parent }) => parent === pid).flatMap((child) => [child, ...descendants(child.pid, all)])

/** What has ended may stay in the table until the system looks after it. */
const isRunning = (wanted: number): boolean =>
  processes().some(({ pid, state }) => pid === wanted && state !== "Z" && state !== "X")

const main = join(import.meta.dirname, "../../src/local/main.ts")

/** The day as a process of its own, which is gone with the scope. */
const start: Effect.Effect<ChildProcess, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => spawn(process.execPath, [main], { stdio: ["ignore", "pipe", "inherit"] })),
  (child) => Effect.sync(() => child.kill("SIGKILL"))
)

const line = (child: ChildProcess, pattern: RegExp) =>
  Effect.callback<void>((resume) => {
    let text = ""
    child.stdout?.on("data", (data) => {
      text += String(data)
      if (pattern.test(text)) resume(Effect.void)
    })
  })

const ended = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) resume(Effect.void)
    else child.once("close", () => resume(Effect.void))
  })

describe.concurrent("the day", { timeout: 60_000 }, () => {
  it.live("ends with every job done, a sick dependency spared, and the other one untouched", () =>
    Effect.gen(function*() {
      const news: Array<News> = []
      const outcome = yield* live((one) => Effect.sync(() => news.push(one)))
      const told = news.map(lineOf).join("\n")

      assert.isAbove(outcome.sent, 50)
      assert.deepInclude(outcome, { done: outcome.sent, left: 0, dead: 0 }, told)

      const transitions = news.flatMap((one) => one._tag === "Transition" ? [one] : [])
      assert.deepStrictEqual([...new Set(transitions.map(({ circuit }) => circuit))], ["quotes"], told)
      assert.includeMembers(transitions.map(({ to }) => to), ["Open", "HalfOpen", "Closed"], told)

      // Three failures open it, and two containers with five jobs each were at it. After that, one probe a second.
      assert.isAbove(outcome.wasted, 2, told)
      assert.isBelow(outcome.wasted, outcome.attempted / 2, told)
      assert.isAbove(outcome.returned, 0)
      assert.isAbove(outcome.untouched, 0)
      // Two died, and others took over.
      assert.isAbove(outcome.containers, 2)

      const summary = summaryOf(outcome).join(" ")
      assert.include(summary, `${outcome.sent} done, 0 left, 0 among the dead letters`)
    }))

  it.live("leaves no process of its own when it is ended in the middle", () =>
    Effect.gen(function*() {
      const child = yield* start
      yield* line(child, /falls ill/)
      // One that is frozen notices nothing of what becomes of the others.
      let own = descendants(child.pid ?? 0)
      while (!own.some(({ state }) => state === "T")) {
        yield* Effect.sleep("50 millis")
        own = descendants(child.pid ?? 0)
      }
      const running = () => own.filter(({ pid }) => isRunning(pid))
      yield* Effect.addFinalizer(() => Effect.sync(() => running().forEach(({ pid }) => process.kill(pid, "SIGKILL"))))
      assert.isAbove(own.length, 1)
      child.kill("SIGTERM")
      yield* ended(child)
      while (running().length > 0) yield* Effect.sleep("20 millis")
    }))
})
