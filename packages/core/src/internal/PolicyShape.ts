/** What a breaker's policy looks like in a `ConfigProvider`. */
import { fields, type Shape } from "./ConfigTree.ts"
import { breakerFields, halfOpenFields, keyFields } from "./PolicyReader.ts"
import { ruleFields } from "./RuleReader.ts"

const rule: Shape = fields(["_tag", ...Object.values(ruleFields).flatMap((options) => Object.keys(options))], {
  rules: { _tag: "List", of: () => rule }
})

const keyPolicy = {
  tripRule: rule,
  openDuration: fields(["initial", "factor"]),
  halfOpen: fields(Object.keys(halfOpenFields))
}

export const policyShape: Shape = fields([...Object.keys(breakerFields), ...Object.keys(keyFields)], {
  ...keyPolicy,
  keys: { _tag: "Map", of: fields(Object.keys(keyFields), keyPolicy) }
})
