/**
 * Where a run is shown: a terminal that is redrawn, or lines one after the other.
 */
import { Config, Deferred, Effect, Option, Schedule, type Scope, Terminal } from "effect"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as Text from "./Text.ts"
import * as View from "./View.ts"

export interface Screen {
  /** Ends when nobody reads the output any more, as with `| head`. */
  readonly closed: Effect.Effect<void>
  /** How wide lines may be; 80 where the output is no terminal. */
  readonly columns: Effect.Effect<number>
  readonly print: (lines: ReadonlyArray<string>) => Effect.Effect<void>
  /**
   * Shows scenes until the scope closes: all of them on a live screen, on a plain one the news in them. Afterwards the
   * last one remains.
   */
  readonly show: (scene: Effect.Effect<View.Scene>) => Effect.Effect<void, never, Scope.Scope>
}

const alternate = { enter: "\u001b[?1049h\u001b[?25l", leave: "\u001b[?25h\u001b[?1049l" }
const home = "\u001b[H"
const clearLine = "\u001b[K"
const clearRest = "\u001b[J"

const often = Schedule.spaced("100 millis")

export const make = Effect.fnUntraced(function*(options: { readonly plain: boolean }) {
  const terminal = yield* Terminal.Terminal
  const { canAnimate, canColor } = yield* TerminalCapabilities
  const paint = Text.painter(canColor)
  // The logs of a CI system take no cursor movements, even where it pretends to be a terminal.
  const ci = yield* Effect.orDie(Config.option(Config.String("CI")))
  const animate = canAnimate && !options.plain && Option.isNone(ci)
  const closed = yield* Deferred.make<void>()
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const onError = () => Deferred.doneUnsafe(closed, Effect.void)
      process.stdout.on("error", onError)
      return onError
    }),
    (onError) => Effect.sync(() => process.stdout.off("error", onError))
  )
  // A failed write is one more after the output was closed, which `closed` tells.
  const write = (text: string) => Effect.ignore(terminal.display(text))
  const print = (lines: ReadonlyArray<string>) => write(lines.map((line) => `${line}\n`).join(""))

  const live: Screen["show"] = Effect.fnUntraced(function*(scene) {
    const size = Effect.all({ columns: terminal.columns, rows: terminal.rows })
    const draw = Effect.flatMap(Effect.all([scene, size]), ([scene, { columns, rows }]) => {
      const lines = View.frame(scene, paint, { columns, rows: rows - 1 })
      return write(home + lines.map((line) => `${line}${clearLine}\n`).join("") + clearRest)
    })
    yield* Effect.addFinalizer(() => Effect.flatMap(scene, last))
    yield* Effect.acquireRelease(write(alternate.enter), () => write(alternate.leave))
    yield* Effect.forkScoped(Effect.repeat(draw, often))
  })

  const last = (scene: View.Scene) => print(View.last(scene, paint))

  const plain: Screen["show"] = Effect.fnUntraced(function*(scene) {
    let shown = 0
    const more = Effect.flatMap(scene, ({ news }) => {
      const unseen = news.slice(shown)
      shown = news.length
      return unseen.length === 0 ? Effect.void : print(unseen.map((item) => View.plainNews(item, paint)))
    })
    const standing = Effect.flatMap(scene, (scene) => print(["", ...View.circuits(scene, paint)]))
    yield* Effect.addFinalizer(() => Effect.andThen(more, standing))
    yield* Effect.forkScoped(Effect.repeat(more, often))
  })

  // What is no terminal, such as a file, has no columns.
  const columns = Effect.map(terminal.columns, (columns) => columns > 0 ? columns : 80)
  const screen: Screen = { columns, closed: Deferred.await(closed), print, show: animate ? live : plain }
  return screen
})
