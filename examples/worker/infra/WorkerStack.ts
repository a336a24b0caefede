/** The worker in AWS: a function between a queue and dependencies that fail, and the circuits its containers share. */
import { CircuitAlarms, CircuitDashboard, CircuitTable } from "@reclose/cdk"
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from "aws-cdk-lib"
import { Alarm, ComparisonOperator, type IAlarmAction, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch"
import { type IRole, PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam"
import { Architecture, Code, EventSourceMapping, Function, FunctionUrlAuthType, Runtime } from "aws-cdk-lib/aws-lambda"
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
  /** How many batches the queue has in work at once, 2 to 1,000: as many as the account allows unless set. */
  readonly maxConcurrency?: number | undefined
  /** How many containers the function may have and has set aside for it: none are set aside unless set. */
  readonly reservedConcurrency?: number | undefined
  /** What alarms do: nothing unless set. */
  readonly alarmActions?: ReadonlyArray<IAlarmAction> | undefined
}

export class WorkerStack extends Stack {
  constructor(scope: Construct, id: string, props: WorkerStackProps) {
    super(scope, id, props)
    const { alarmActions = [], maxReceiveCount = 10, service = "worker", timeout = Duration.seconds(30) } = props

    const circuits = new CircuitTable(this, "Circuits")
    const deadLetters = new Queue(this, "DeadLetters", {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14)
    })
    const queue = new Queue(this, "Queue", {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      // What AWS asks for, so that a message is not handed out again while retries of its batch are still running.
      visibilityTimeout: Duration.seconds(timeout.toSeconds() * 6),
      deadLetterQueue: { queue: deadLetters, maxReceiveCount }
    })

    const logGroup = new LogGroup(this, "Logs", {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY
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
      ...(props.maxConcurrency === undefined ? {} : { maxConcurrency: props.maxConcurrency })
    })

    const { alarms } = new CircuitAlarms(this, "CircuitAlarms", { service, alarmActions, okActions: alarmActions })
    const dead = new Alarm(this, "DeadLetterAlarm", {
      metric: deadLetters.metricApproximateNumberOfMessagesVisible({
        period: Duration.minutes(1),
        statistic: "Maximum"
      }),
      threshold: 1,
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      alarmDescription:
        `${service}: a message could not be handled. Its attributes say why; mend it and redrive the queue.`
    })
    dead.addAlarmAction(...alarmActions)
    dead.addOkAction(...alarmActions)
    new CircuitDashboard(this, "CircuitDashboard", {
      service,
      alarms: [...alarms, dead],
      queue,
      deadLetterQueue: deadLetters,
      function: worker
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
