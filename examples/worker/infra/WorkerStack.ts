/** The worker in AWS: a function between a queue and dependencies that fail, and the circuits its containers share. */
import { CircuitAlarms, CircuitDashboard, CircuitTable, WorkerAlarms } from "@reclose/cdk"
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from "aws-cdk-lib"
import type { IAlarmAction } from "aws-cdk-lib/aws-cloudwatch"
import { type IRole, PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam"
import {
  Architecture,
  Code,
  EventSourceMapping,
  Function,
  FunctionUrlAuthType,
  RecursiveLoop,
  Runtime
} from "aws-cdk-lib/aws-lambda"
import { LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs"
import { Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs"
import type { Construct } from "constructs"

export interface WorkerStackProps extends StackProps {
  /** The folder with the function's code, as `bundle` makes it. */
  readonly code: string
  /** What the worker may call, such as `https://api.example`. A job for anything else is malformed. */
  readonly origins: ReadonlyArray<string>
  /** The name under which metrics are written: `worker` unless set. */
  readonly service?: string | undefined
  /**
   * The worker's policy, with the parts `circuits` and `http`, or the name of a file in `code` that holds it: the defaults
   * of both parts unless set. As an object it is a variable of the function, and Lambda allows 4 kB for all of them.
   */
  readonly policy?: object | string | undefined
  /** How long one invocation may take: 30 seconds unless set. */
  readonly timeout?: Duration | undefined
  /** How many messages an invocation gets at most: 10 unless set, and at most 10 without a batching window. */
  readonly batchSize?: number | undefined
  /** How often a message may be received before it is a dead letter, 2 to 1,000: 10 unless set. */
  readonly maxReceiveCount?: number | undefined
  /**
   * How many batches the queue has in work at once, 2 to 1,000: 10 unless set. It bounds what a dependency has to bear that
   * has just recovered, while the queue is full.
   */
  readonly maxConcurrency?: number | undefined
  /** How many containers the function may have and has set aside for it: none are set aside unless set. */
  readonly reservedConcurrency?: number | undefined
  /** What alarms do when they go off and when they are over: nothing unless set. */
  readonly alarmActions?: ((stack: Stack) => ReadonlyArray<IAlarmAction>) | undefined
}

export class WorkerStack extends Stack {
  constructor(scope: Construct, id: string, props: WorkerStackProps) {
    super(scope, id, props)
    const { maxReceiveCount = 10, service = "worker", timeout = Duration.seconds(30) } = props

    const circuits = new CircuitTable(this, "Circuits")
    const deadLetters = new Queue(this, "DeadLetters", {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
      // Messages and logs can't be had again once they are deleted.
      removalPolicy: RemovalPolicy.RETAIN
    })
    const queue = new Queue(this, "Queue", {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      // What AWS asks for, so that a message is not handed out again while retries of its batch are still running.
      visibilityTimeout: Duration.seconds(timeout.toSeconds() * 6),
      deadLetterQueue: { queue: deadLetters, maxReceiveCount },
      removalPolicy: RemovalPolicy.RETAIN
    })

    const logGroup = new LogGroup(this, "Logs", {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.RETAIN
    })
    const role = new Role(this, "Role", { assumedBy: new ServicePrincipal("lambda.amazonaws.com") })
    logGroup.grantWrite(role)
    circuits.grantCircuits(role)
    allowQueues(role, queue, deadLetters)

    const worker = new Function(this, "Function", {
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      handler: "index.handler",
      code: Code.fromAsset(props.code),
      memorySize: 512,
      timeout,
      role,
      logGroup,
      // A message whose circuit is open is sent anew by the function that receives it. Lambda takes that for a loop and
      // stops it after about 16 rounds, although each waits for its circuit.
      recursiveLoop: RecursiveLoop.ALLOW,
      environment: {
        ALLOWED_ORIGINS: props.origins.join(","),
        CIRCUITS_TABLE: circuits.tableName,
        DEAD_LETTER_QUEUE_URL: deadLetters.queueUrl,
        MAX_RECEIVE_COUNT: String(maxReceiveCount),
        QUEUE_URL: queue.queueUrl,
        SERVICE: service,
        ...policyVariables(props.policy)
      },
      ...(props.reservedConcurrency === undefined ? {} : { reservedConcurrentExecutions: props.reservedConcurrency })
    })
    const url = worker.addFunctionUrl({ authType: FunctionUrlAuthType.AWS_IAM })

    // Not `worker.addEventSource`, which grants more than is used.
    new EventSourceMapping(this, "Messages", {
      target: worker,
      eventSourceArn: queue.queueArn,
      batchSize: props.batchSize ?? 10,
      reportBatchItemFailures: true,
      maxConcurrency: props.maxConcurrency ?? 10
    })

    const alarmActions = props.alarmActions?.(this) ?? []
    const actions = { alarmActions, okActions: alarmActions }
    const circuitAlarms = new CircuitAlarms(this, "CircuitAlarms", { service, ...actions })
    const workerAlarms = new WorkerAlarms(this, "WorkerAlarms", {
      service,
      function: worker,
      queue,
      deadLetterQueue: deadLetters,
      ...actions
    })
    new CircuitDashboard(this, "CircuitDashboard", {
      service,
      alarms: [...circuitAlarms.alarms, ...workerAlarms.alarms],
      queue,
      deadLetterQueue: deadLetters,
      function: worker,
      logGroup
    })

    new CfnOutput(this, "CircuitsTable", { value: circuits.tableName })
    new CfnOutput(this, "QueueUrl", { value: queue.queueUrl })
    new CfnOutput(this, "DeadLetterQueueUrl", { value: deadLetters.queueUrl })
    new CfnOutput(this, "FunctionName", { value: worker.functionName })
    new CfnOutput(this, "FunctionUrl", { value: url.url })
  }
}

const policyVariables = (policy: WorkerStackProps["policy"]): Record<string, string> =>
  policy === undefined
    ? {}
    : typeof policy === "string"
    ? { POLICY_FILE: policy }
    : { POLICY: JSON.stringify(policy) }

/** CDK's own grants for queues hold more than the worker uses. */
const allowQueues = (role: IRole, queue: Queue, deadLetters: Queue): void => {
  role.addToPrincipalPolicy(
    new PolicyStatement({
      actions: [
        // What Lambda does with the role to get messages to the function, and off the queue after it.
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        // What the worker does with a message whose circuit is open: put it back for later, or send it anew.
        "sqs:ChangeMessageVisibility",
        "sqs:SendMessage"
      ],
      resources: [queue.queueArn]
    })
  )
  role.addToPrincipalPolicy(
    new PolicyStatement({ actions: ["sqs:SendMessage"], resources: [deadLetters.queueArn] })
  )
}
