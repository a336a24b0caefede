/** A process of a fleet, as a test sees it: started with the test's scope, asked, killed, and ended with the scope. */
import { Data, Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { endWithUs } from "./endWithUs.ts"
import type { Line, Protocol, Start, Told, Verb } from "./Protocol.ts"

export class ProcessError extends Data.TaggedError("ProcessError")<{ readonly message: string }> {}

export interface Process {
  /** Fails if there is no answer within 15 seconds. */
  readonly ask: <V extends Verb>(verb: V, ask: Protocol[V][0]) => Effect.Effect<Protocol[V][1], ProcessError>
  /** What it has told of so far, oldest first. */
  readonly told: ReadonlyArray<Told>
  /** Waits until it has told something like this, from a place among what it tells on. */
  readonly waitFor: (what: string, like: (told: Told) => boolean, from?: number) => Effect.Effect<Told, ProcessError>
  /** Ends it as a crash does. */
  readonly kill: Effect.Effect<void>
}

const patience = "15 seconds"

/** Compiled once for all: starting is most of what a test of processes takes. */
const environment = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), "node-compile-cache") }

/** Tries until something is there, every few milliseconds, and fails with what is missing if it never comes. */
export const eventually = <A, E, R>(
  what: string,
  look: Effect.Effect<A | undefined, E, R>
): Effect.Effect<A, E | ProcessError, R> =>
  Effect.gen(function*() {
    while (true) {
      const found = yield* look
      if (found !== undefined) return found
      yield* Effect.sleep(10)
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.fail(new ProcessError({ message: `did not come within ${patience}: ${what}` }))
    })
  )

const exited = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) resume(Effect.void)
    else child.once("exit", () => resume(Effect.void))
  })

const kill = (child: ChildProcess) =>
  Effect.andThen(
    Effect.sync(() => child.kill("SIGKILL")),
    exited(child)
  )

/** Its stdin closes, so it ends by itself: or else by force. */
const end = (child: ChildProcess) =>
  Effect.andThen(
    Effect.sync(() => child.stdin?.end()),
    Effect.timeoutOrElse(exited(child), { duration: "2 seconds", orElse: () => kill(child) })
  )

/** Starts a program with what it needs to know, and waits until it is ready. */
export const start = <Where>(
  program: string,
  options: Start<Where>
): Effect.Effect<Process, ProcessError, Scope.Scope> =>
  Effect.gen(function*() {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => endWithUs(spawn(process.execPath, [program, JSON.stringify(options)], { env: environment }))),
      end
    )
    let isReady = false
    let complaint = ""
    let asked = 0
    const told: Array<Told> = []
    const waiting = new Map<number, (line: Extract<Line, { readonly id: number }>) => void>()
    child.stderr.on("data", (data) => (complaint = `${complaint}${data}`.slice(-4_000)))
    // A process that was killed takes no more orders; whoever asks it hears of that by its silence.
    child.stdin.on("error", () => {})
    createInterface({ input: child.stdout }).on("line", (text) => {
      const line: Line = JSON.parse(text)
      if (line._tag === "Ready") isReady = true
      else if (line._tag === "Told") told.push(line.told)
      else waiting.get(line.id)?.(line)
    })
    const gone = Effect.suspend(() =>
      child.exitCode === null && child.signalCode === null
        ? Effect.succeed(isReady || undefined)
        : Effect.fail(new ProcessError({ message: `the process ended: ${complaint}` }))
    )
    yield* eventually("a process that is ready", gone)

    const ask = <V extends Verb>(verb: V, ask: Protocol[V][0]): Effect.Effect<Protocol[V][1], ProcessError> =>
      Effect.callback<Protocol[V][1], ProcessError>((resume) => {
        const id = asked++
        waiting.set(id, (line) => {
          // The answer to what was asked, as the protocol has it.
          if (line._tag === "Answer") resume(Effect.succeed(line.answer as Protocol[V][1]))
          else resume(Effect.fail(new ProcessError({ message: line.message })))
        })
        child.stdin.write(`${JSON.stringify({ id, verb, ask })}\n`)
        return Effect.sync(() => waiting.delete(id))
      }).pipe(Effect.timeoutOrElse({
        duration: patience,
        orElse: () => Effect.fail(new ProcessError({ message: `no answer to ${verb}: ${complaint}` }))
      }))

    return {
      ask,
      told,
      waitFor: (what, like, from = 0) => eventually(what, Effect.sync(() => told.slice(from).find(like))),
      kill: kill(child)
    }
  })
