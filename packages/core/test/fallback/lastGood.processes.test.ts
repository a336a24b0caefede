/** What one process remembers of good answers, and another one, that is started when the first is gone, serves. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { endWithUs } from "../processes/endWithUs.ts"
import { eventually, type ProcessError } from "../processes/Process.ts"
import type { Served, Start } from "./quotesProcess.ts"

const program = fileURLToPath(new URL("quotesProcess.ts", import.meta.url))

const makeDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "reclose-quotes-"))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

interface Quotes {
  /** What it has served, once it has served all that it is asked for. */
  readonly served: ReadonlyArray<Served>
  /** Waits until it has ended. */
  readonly ended: Effect.Effect<void>
  /** Ends it as a crash does. */
  readonly kill: Effect.Effect<void>
}

const start = (options: Start): Effect.Effect<Quotes, ProcessError, Scope.Scope> =>
  Effect.gen(function*() {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        endWithUs(spawn(process.execPath, [program, JSON.stringify(options)], { stdio: ["ignore", "pipe", "inherit"] }))
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const exit = once(child, "exit")
    const ended = Effect.asVoid(Effect.promise(() => exit))
    const served: Array<Served> = []
    createInterface({ input: child.stdout }).on("line", (line) => served.push(JSON.parse(line)))
    yield* eventually("all answers", Effect.sync(() => served.length === options.quotes.length || undefined))
    return { served, ended, kill: Effect.andThen(Effect.sync(() => child.kill("SIGKILL")), ended) }
  })

/** Waits until a text is in the one record that is kept. */
const written = (directory: string, text: string) =>
  eventually(
    `${text} in the store`,
    Effect.sync(() => {
      const [file] = readdirSync(directory)
      // A record that is whole ends like this.
      return file !== undefined && readFileSync(join(directory, file), "utf8").endsWith(`${text}}`) || undefined
    })
  )

describe("an answer that a process remembers in files", () => {
  it.live.each<[string, boolean]>([
    ["is killed once it is written", false],
    ["ends right after it", true]
  ])("is served by the next one, as old as it is, when the first %s", ([, ends]) =>
    Effect.gen(function*() {
      const directory = yield* makeDirectory
      const begun = Date.now()
      const first = yield* start({ directory, quotes: [41, 42], ends })
      const answered = Date.now()
      assert.deepStrictEqual(first.served, [{ tag: "Fresh", value: 41 }, { tag: "Fresh", value: 42 }])
      yield* ends ? first.ended : Effect.andThen(written(directory, "42"), first.kill)
      // It grows older.
      yield* Effect.sleep("100 millis")
      const begunAgain = Date.now()
      // That it is up again helps nobody whose circuit is open.
      const next = yield* start({ directory, quotes: ["down", 43], ends: true })
      const oldest = Date.now() - begun
      assert.deepStrictEqual(
        next.served.map(({ tag, value, why }) => [tag, value, why]),
        [["Degraded", 42, "down"], ["Degraded", 42, "CircuitOpen"]]
      )
      for (const { age = -1 } of next.served) {
        // A millisecond may be lost in rounding.
        assert.isAtLeast(age, begunAgain - answered - 1)
        assert.isAtMost(age, oldest)
      }
    }), 60_000)
})
