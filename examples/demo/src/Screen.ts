/**
 * Where a run is shown: a terminal that is redrawn, or lines one after the other.
 */
import { Effect, Schedule, type Scope, Terminal } from "effect"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as Text from "./Text.ts"
import * as View from "./View.ts"

export interface Screen {
  readonly paint: Text.Paint
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
  // A reader that has seen enough (`| head`) ends the run as Ctrl-C does, without a word.
  const write = (text: string) => Effect.catch(terminal.display(text), () => Effect.interrupt)
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

  const last = (scene: View.Scene) => print(View.frame(scene, paint, { columns: 100, rows: 1_000 }))

  const plain: Screen["show"] = Effect.fnUntraced(function*(scene) {
    let shown = 0
    const more = Effect.flatMap(scene, ({ news }) => {
      const unseen = news.slice(shown)
      shown = news.length
      return unseen.length === 0 ? Effect.void : print(unseen.map((item) => View.news(item, paint)))
    })
    yield* Effect.addFinalizer(() => more)
    yield* Effect.forkScoped(Effect.repeat(more, often))
  })

  const screen: Screen = { paint, print, show: canAnimate && !options.plain ? live : plain }
  return screen
})
