/** Tells trip rules apart by a short text. */
import type { Rule } from "../machine/Rule.ts"

const known = new WeakMap<Rule, string>()

/** FNV-1a over the rule's JSON: two rules that differ share one in about four billion cases. */
export const fingerprint = (rule: Rule): string => {
  const before = known.get(rule)
  if (before !== undefined) return before
  let hash = 0x811c9dc5
  for (const character of JSON.stringify(rule)) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193)
  const text = (hash >>> 0).toString(36)
  known.set(rule, text)
  return text
}
