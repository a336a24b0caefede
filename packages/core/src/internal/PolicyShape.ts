/** What a breaker's policy looks like in a `ConfigProvider`. */
import { fields, list, record, type Shape } from "../ConfigTree.ts"
import { breakerFields, halfOpenFields, keyFields } from "./PolicyReader.ts"
import { ruleFields } from "./RuleReader.ts"

const rule: Shape = fields(["_tag", ...Object.values(ruleFields).flatMap((options) => Object.keys(options))], {
  rules: list(() => rule)
})

const keyPolicy = {
  tripRule: rule,
  openDuration: fields(["initial", "factor"]),
  halfOpen: fields(Object.keys(halfOpenFields))
}

export const policyShape: Shape = fields([...Object.keys(breakerFields), ...Object.keys(keyFields)], {
  ...keyPolicy,
  keys: record(fields(Object.keys(keyFields), keyPolicy))
})
