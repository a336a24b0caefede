/** Reads what a module imports, from its text. */

export interface Import {
  readonly specifier: string
  /** Whether nothing is left of it at run time. `import { type A }` leaves an import, for its side effects. */
  readonly isType: boolean
}

// Written so that no comment, and no gap, can be read to reach beyond its first end.
const comment = /\/\/[^\n]*|\/\*(?:[^*]|\*(?!\/))*\*\//
const text = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[^]|[^`\\])*`/
const gap = new RegExp(`(?:\\s|${comment.source})*`)
const specifier = /["']([^"'\n]*)["']/
const names = new RegExp(`(?:[\\w$\\s{},*]|"[^"\\n]*"\\s+as\\b|${comment.source})*?`)

// In the order in which they are tried: what is a comment is no import, and an import is no text.
const parts = [
  comment,
  // import x from "…", import type { A } from "…", export * from "…"; but `import type from "…"` imports a value.
  new RegExp(
    `\\b(?:import|export)\\b(${gap.source}type\\b(?!${gap.source}from\\b))?` +
      `${names.source}\\bfrom\\b${gap.source}${specifier.source}`
  ),
  new RegExp(`\\bimport\\b${gap.source}${specifier.source}`),
  // import("…"), import(name), require("…"): what stands in them, text or not. A type's `import("…")` counts, too.
  new RegExp(`\\b(?:import|require|getBuiltinModule)\\b${gap.source}\\(${gap.source}([^)]*)\\)`),
  text
]

const scan = new RegExp(parts.map((part) => part.source).join("|"), "g")

/** Everything that a module imports, re-exports, or asks for while it runs. */
export const importsOf = (source: string): ReadonlyArray<Import> =>
  Array.from(source.matchAll(scan)).flatMap(([, type, from, bare, argument]) => {
    const found = from ?? bare ?? argument?.trim().replace(/^["'`](.*)["'`]$/, "$1")
    return found === undefined ? [] : [{ specifier: found, isType: type !== undefined }]
  })
