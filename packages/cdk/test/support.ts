import { App, Stack } from "aws-cdk-lib"

/** A stack whose template is only looked at: without CloudFormation's rules, which take seconds to load. */
export const newStack = (): Stack => new Stack(new App({ builtinCloudFormationValidation: false }), "Test")
