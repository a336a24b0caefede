/** Processes that are ended by the end of the one that started them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { endWithUs } from "./endWithUs.ts"

/** Starts two processes that never end by themselves, and ends when it is told to. */
const parent = `
  import { spawn } from "node:child_process"
  import { endWithUs } from ${JSON.stringify(new URL("endWithUs.ts", import.meta.url).href)}
  for (let i = 0; i < 2; i++) {
    endWithUs(spawn(process.execPath, ["-e", "console.log(process.pid); setInterval(() => {}, 60_000)"], {
      stdio: ["ignore", "inherit", "ignore"]
    }))
  }
  process.stdin.once("data", () => process.exit())
`

const ends: ReadonlyArray<[string, (parent: ChildProcess) => void]> = [
  ["is killed", (parent) => parent.kill("SIGKILL")],
  ["is told to end", (parent) => parent.kill("SIGTERM")],
  ["exits", (parent) => parent.stdin?.write("exit")]
]

describe("processes, frozen or not,", () => {
  it.live.each(ends)("end when the one that started them %s", ([, end]) =>
    Effect.gen(function*() {
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          endWithUs(
            spawn(process.execPath, ["--input-type=module", "-e", parent], { stdio: ["pipe", "pipe", "inherit"] })
          )
        ),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const pids: Array<number> = []
      yield* Effect.promise(async () => {
        for await (const line of createInterface({ input: child.stdout })) if (pids.push(Number(line)) === 2) return
      })
      const frozen = pids[0] ?? assert.fail("nobody was started")
      process.kill(frozen, "SIGSTOP")
      // All of them hold its other end.
      const closed = once(child.stdout, "close")
      child.stdout.resume()
      end(child)
      yield* Effect.promise(() => closed).pipe(
        Effect.timeout("10 seconds"),
        Effect.onError(() => Effect.sync(() => pids.forEach(killIfThere)))
      )
    }), 20_000)
})

const killIfThere = (pid: number) => {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // It has ended.
  }
}
