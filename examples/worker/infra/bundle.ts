/** Makes one file of the function: its own code, and of the packages it imports no more than it uses. */
import { build } from "esbuild"
import { join } from "node:path"

export interface BundleOptions {
  /** The module that exports `handler`. */
  readonly entry: string
  /** The folder that becomes the function's code. */
  readonly outdir: string
}

/** Answers the folder, with `index.mjs` in it. */
export const bundle = async ({ entry, outdir }: BundleOptions): Promise<string> => {
  await build({
    entryPoints: [entry],
    outfile: join(outdir, "index.mjs"),
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    // The AWS SDK has ES modules there, of which only what is used is kept.
    mainFields: ["module", "main"],
    // Some of what it imports is CommonJS.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    // Functions keep their names: a stack trace in a log has to be readable.
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    logLevel: "error"
  })
  return outdir
}

if (import.meta.main) {
  const worker = join(import.meta.dirname, "..")
  console.log(await bundle({ entry: join(worker, "src/lambda.ts"), outdir: join(worker, "dist/lambda") }))
}
