/** The tables of policy options: bounds and defaults from the readers that enforce them, words from the types. */
import { readFileSync } from "node:fs"
import { budgetFields } from "../../packages/core/src/internal/BudgetReader.ts"
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

const optionHead = ["option", "default", "allowed", "what it says"]

const optionRows = (text: string, fields: Fields, prefix = ""): ReadonlyArray<ReadonlyArray<string>> =>
  Object.entries(fields).map(([name, { default: otherwise, reader }]) => [
    `\`${prefix}${name}\``,
    code(otherwise),
    reader.allowed,
    sentenceAbove(text, new RegExp(`readonly ${name}\\?: `))
  ])

export const policyTable = (): string => {
  const text = source("Policy")
  return table(optionHead, [
    ...optionRows(text, keyFields),
    ...optionRows(text, halfOpenFields, "halfOpen."),
    ...optionRows(text, breakerFields),
    ["`keys`", "none", "an object of policies by pattern", sentenceAbove(text, /readonly keys\?: /)]
  ])
}

export const budgetTable = (): string => table(optionHead, optionRows(source("BudgetPolicy"), budgetFields))

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
