/** Bundles of functions, as they would be deployed: one file of JavaScript in a folder of its own. */
import { Effect, type Scope } from "effect"
import { build } from "esbuild"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface Bundle {
  /** The folder with `index.mjs` in it, gone with the scope. */
  readonly root: string
  /** Of the minified file, in bytes. */
  readonly size: number
}

/** Bundles the module at a path, with all that it imports: nothing comes from the runtime. */
export const bundle = (entry: string): Effect.Effect<Bundle, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const root = mkdtempSync(join(tmpdir(), "reclose-lambda-"))
      const outfile = join(root, "index.mjs")
      await build({
        entryPoints: [entry],
        outfile,
        bundle: true,
        minify: true,
        // Names of classes are names of errors.
        keepNames: true,
        format: "esm",
        platform: "node",
        target: "node24",
        mainFields: ["module", "main"],
        // For packages that still ask for Node's own modules the old way.
        banner: {
          js:
            "import { createRequire as _createRequire } from 'node:module'; const require = _createRequire(import.meta.url);"
        },
        logLevel: "error"
      })
      return { root, size: statSync(outfile).size }
    }),
    ({ root }) => Effect.sync(() => rmSync(root, { recursive: true, force: true }))
  )
