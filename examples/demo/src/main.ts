/**
 * The demo: circuits at work between real HTTP servers and their callers.
 */
import { NodeHttpClient, NodeRuntime, NodeServices } from "@effect/platform-node"
import { Policy } from "@reclose/core"
import { Duration, Effect, FileSystem, Option, Schema } from "effect"
import { CliError, Command, Flag } from "effect/cli"
import * as Replay from "./Replay.ts"
import * as Run from "./Run.ts"
import * as Scenario from "./Scenario.ts"
import * as Screen from "./Screen.ts"
import * as Stopwatch from "./Stopwatch.ts"
import * as WorkerDay from "./WorkerDay.ts"

const readText = Effect.fnUntraced(
  function*(path: string) {
    const files = yield* FileSystem.FileSystem
    return yield* files.readFileString(path)
  },
  (effect, path) =>
    Effect.mapError(
      effect,
      (cause) => new CliError.UserError({ cause, userMessage: `Can't read ${path}: ${cause.message}` })
    )
)

const readPolicy = Effect.fnUntraced(function*(path: string) {
  const text = yield* readText(path)
  const json = yield* Schema.decodeEffect(Schema.fromJsonString(Schema.Unknown))(text)
  return yield* Policy.fromJson(json)
}, (effect, path) =>
  Effect.mapError(effect, (cause) =>
    cause instanceof CliError.UserError
      ? cause
      : new CliError.UserError({ cause, userMessage: `${path} holds no policy: ${cause.message}` })))

const flags = {
  requests: Flag.File("requests").pipe(
    Flag.withAlias("r"),
    Flag.withMetavar("file.jsonl"),
    Flag.withDescription(
      "Send your own requests instead: one JSON object a line, {\"url\": …, \"method\"?: \"GET\", \"headers\"?: {…}, "
        + "\"body\"?: …, \"key\"?: …, \"at\"?: milliseconds}. The key names the circuit, by default the URL's origin. "
        + "Without \"at\" a request follows 50 ms after the one before"
    ),
    Flag.optional
  ),
  compare: Flag.Boolean("compare").pipe(
    Flag.withDescription("Send each of your own requests a second time, without a breaker, and compare"),
    Flag.withDefault(false)
  ),
  timeout: Flag.String("timeout").pipe(
    Flag.withDescription("How long a call of your own may take, \"2 seconds\" unless said otherwise"),
    Flag.withSchema(Schema.DurationFromString),
    Flag.withDefault(Duration.seconds(2))
  ),
  policy: Flag.File("policy").pipe(
    Flag.withMetavar("file.json"),
    Flag.withDescription("The policy of the circuits, in place of the demo's own"),
    Flag.optional
  ),
  only: Flag.Literals("only", ["servers", "worker"]).pipe(
    Flag.withDescription("Show one of the two acts: the circuits between servers, or the worker's day"),
    Flag.optional
  ),
  plain: Flag.Boolean("plain").pipe(
    Flag.withDescription("A line for each change instead of a live screen, as when the output is no terminal"),
    Flag.withDefault(false)
  ),
  // For tests: the script runs so many times faster.
  speed: Flag.Finite("speed").pipe(
    Flag.withSchema(Schema.Finite.check(Schema.isBetween({ minimum: 0.1, maximum: 100 }))),
    Flag.withDefault(1),
    Flag.withHidden
  )
}

const demo = Command.make(
  "demo",
  flags,
  Effect.fnUntraced(function*({ compare, only, plain, policy: policyFile, requests, speed, timeout }) {
    const policy = Option.isSome(policyFile) ? yield* readPolicy(policyFile.value) : undefined
    const text = Option.isSome(requests) ? yield* readText(requests.value) : undefined
    const screen = yield* Screen.make({ plain })
    const servers = Effect.gen(function*() {
      const stopwatch = yield* Stopwatch.make
      const plan = text === undefined
        ? yield* Scenario.plan({ speed, stopwatch, policy })
        : yield* Replay.plan({ text, policy, timeout, compare })
      yield* Run.run(plan, stopwatch, screen)
    }).pipe(Effect.scoped)
    const act = Option.getOrUndefined(only) ?? (text === undefined && policy === undefined ? "all" : "servers")
    const acts = Effect.andThen(
      act === "worker" ? Effect.void : servers,
      act === "servers" ? Effect.void : WorkerDay.play(screen)
    )
    yield* Effect.raceFirst(acts, screen.closed)
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "Circuit breakers at work: sends real HTTP requests to servers that fall ill, and shows what the circuits do "
      + "about it, beside the same traffic without a breaker. Then a worker of several processes goes through a day. Ends "
      + "by itself in about 25 seconds."
  ),
  Command.withExamples([
    { command: "demo", description: "Two scripted upstreams on this machine, then the worker's day" },
    { command: "demo --requests mine.jsonl --compare", description: "Your own requests, with and without a breaker" }
  ])
)

demo.pipe(
  Command.run({ version: "0.1.0" }),
  Effect.provide([NodeServices.layer, NodeHttpClient.layerUndici]),
  NodeRuntime.runMain
)
