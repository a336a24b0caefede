/** AWS Systems Manager: parameters, by name. */
import { AwsError, json, type Service, text } from "./Wire.ts"

export const makeSsm = (parameters: ReadonlyMap<string, string>, arnPrefix: string): Service =>
  json({
    GetParameter: (input, { authorize }) => {
      const name = text(input, "Name")
      const arn = `${arnPrefix}:parameter${name}`
      authorize("ssm:GetParameter", arn)
      const value = parameters.get(name)
      if (value === undefined) throw new AwsError("ParameterNotFound", `Parameter ${name} not found.`)
      return { Parameter: { Name: name, Type: "String", Value: value, Version: 1, ARN: arn, DataType: "text" } }
    }
  })
