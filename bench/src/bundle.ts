import { build } from "esbuild"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"

const kiloBytes = async (program: string): Promise<number> => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`programs/${program}.ts`, import.meta.url))],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "node",
    target: "node24",
    legalComments: "none",
    logLevel: "warning"
  })
  const contents = outputFiles[0]?.contents
  if (contents === undefined) throw new Error(`no bundle for ${program}`)
  return gzipSync(contents, { level: 9 }).length / 1000
}

/** What a program weighs by the time it reaches a machine that has to start it, in kB of 1000 bytes. */
export const measureBundles = async () => ({
  bare: await kiloBytes("bare"),
  reclose: await kiloBytes("reclose"),
  recloseShared: await kiloBytes("recloseShared"),
  effect: await kiloBytes("effect")
})
