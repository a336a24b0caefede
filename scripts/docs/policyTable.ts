/** The tables of policy options: bounds and defaults from the readers that enforce them, words from the types. */
import { readFileSync } from "node:fs"
import { breakerFields, halfOpenFields, keyFields } from "../../packages/core/src/internal/PolicyReader.ts"
import { ruleFields } from "../../packages/core/src/internal/RuleReader.ts"

const source = (module: string): string =>
  readFileSync(new URL(`../../packages/core/src/${module}.ts`, import.meta.url), "utf8")

/** The first sentence of the comment above a declaration. */
const sentenceAbove = (text: string, declaration: RegExp): string => {
  const at = text.search(declaration)
  if (at < 0) throw new Error(`nothing is declared as ${declaration}`)
  const comment = text.slice(text.lastIndexOf("/**", at) + 3, at)
  const prose = comment.replaceAll(/^\s*\*\/?\s?/gm, "").replaceAll(/\s+/g, " ").trim()
  const sentence = /^.*?[.:](?=\s|$)/.exec(prose)?.[0] ?? prose
  // The bounds stand in their own column.
  return sentence.replace(/, (?:a share |\d|0 to|1 milli)[^:]*(?=[.:]$)/, "").replace(/[:]$/, ".")
}

type Fields = Readonly<Record<string, { readonly reader: { readonly allowed: string }; readonly default?: unknown }>>

const code = (value: unknown): string => value === undefined ? "required" : `\`${String(value)}\``

const row = (cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n")

export const policyTable = (): string => {
  const text = source("Policy")
  const rows = (fields: Fields, prefix: string) =>
    Object.entries(fields).map(([name, { default: otherwise, reader }]) => [
      `\`${prefix}${name}\``,
      code(otherwise),
      reader.allowed,
      sentenceAbove(text, new RegExp(`readonly ${name}\\?: `))
    ])
  return table(["option", "default", "allowed", "what it says"], [
    ...rows(keyFields, ""),
    ...rows(halfOpenFields, "halfOpen."),
    ...rows(breakerFields, ""),
    ["`keys`", "none", "an object of policies by pattern", sentenceAbove(text, /readonly keys\?: /)]
  ])
}

export const ruleTable = (): string => {
  const text = source("TripRule")
  return table(
    ["rule", "option", "default", "allowed"],
    Object.entries<Fields>(ruleFields).flatMap(([rule, fields]) =>
      Object.entries(fields).map(([name, { default: otherwise, reader }], i) => [
        i === 0 ? `**${rule}**: ${sentenceAbove(text, new RegExp(`export interface ${rule} `))}` : "",
        `\`${name}\``,
        code(otherwise),
        reader.allowed
      ])
    )
  )
}
