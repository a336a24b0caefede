/**
 * Writes the tables of the documentation that code already knows, between
 * `<!-- generated:name -->` and `<!-- /generated:name -->`. With `--check` it only says which are out of date.
 */
import { globSync, readFileSync, writeFileSync } from "node:fs"
import { benchTable } from "./docs/benchTable.ts"
import { costTable, detectionTable } from "./docs/fleetTables.ts"
import { budgetTable, policyTable, ruleTable } from "./docs/policyTable.ts"

/** One function per table, by name: add yours here. It answers with Markdown. */
const tables: Readonly<Record<string, () => string | Promise<string>>> = {
  bench: benchTable,
  "budget-options": budgetTable,
  detection: detectionTable,
  "policy-options": policyTable,
  "rule-options": ruleTable,
  "store-cost": costTable
}

const check = process.argv.includes("--check")

for (const file of globSync(["README.md", "docs/**/*.md", "packages/*/README.md"])) {
  const text = readFileSync(file, "utf8")
  let next = text
  for (const [whole, name = ""] of text.matchAll(/<!-- generated:([\w-]+) -->[^]*?<!-- \/generated:\1 -->/g)) {
    const table = tables[name]
    if (table === undefined) throw new Error(`${file}: nothing generates "${name}"`)
    const content = (await table()).trim()
    next = next.replace(whole, () => `<!-- generated:${name} -->\n\n${content}\n\n<!-- /generated:${name} -->`)
  }
  if (next === text) continue
  if (check) {
    console.error(`${file} is out of date: run the script docs:generate`)
    process.exitCode = 1
  } else {
    writeFileSync(file, next)
  }
}
