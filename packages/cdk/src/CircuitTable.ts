/**
 * The DynamoDB table that circuits are shared in.
 *
 * @since 0.1.0
 */
import { RemovalPolicy } from "aws-cdk-lib"
import { AttributeType, BillingMode, Table, TableEncryption } from "aws-cdk-lib/aws-dynamodb"
import { Grant, type IGrantable } from "aws-cdk-lib/aws-iam"
import type { IKey } from "aws-cdk-lib/aws-kms"
import { Construct } from "constructs"

/**
 * What differs between tables. The layout is that of `@reclose/dynamodb` and can't be changed.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitTableProps {
  /** A name of CloudFormation's choice unless set, so that a table may be replaced. */
  readonly tableName?: string | undefined
  /** `RETAIN` unless set: the table outlives its stack. */
  readonly removalPolicy?: RemovalPolicy | undefined
  /** Whether nobody may delete the table: true unless set, and false for a removal policy of `DESTROY`. */
  readonly deletionProtection?: boolean | undefined
  /** A key of your own. DynamoDB's key in your account (`aws/dynamodb`) unless set. */
  readonly encryptionKey?: IKey | undefined
}

/**
 * What a program may do beyond keeping circuits.
 *
 * @category models
 * @since 0.1.0
 */
export interface GrantOptions {
  /** Whether it may list the keys of all circuits, which takes a `Scan`: false unless set. */
  readonly list?: boolean | undefined
}

const actions = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"]

/**
 * The DynamoDB table that circuits are shared in, laid out as `DynamoStore` of `@reclose/dynamodb` wants it.
 *
 * **Details**
 *
 * - The partition key is `key`, a string, and items expire by `expiresAt`.
 * - It is billed by request: circuits cost nothing while they are healthy.
 * - It is encrypted with a KMS key, has point-in-time recovery, and is protected against deletion. It is kept when its
 *   stack is deleted, and when a change of the stack replaces it.
 *
 * **Gotchas**
 *
 * Renaming the construct, or moving it within the app, changes its logical ID: CloudFormation then makes a new, empty
 * table, and circuits start closed. Hold the ID in a test, as the worker in `examples/` does.
 *
 * **Example** (A table, and a function that may keep circuits in it)
 *
 * ```ts
 * import { CircuitTable } from "@reclose/cdk"
 * import { App, Stack } from "aws-cdk-lib"
 * import { Template } from "aws-cdk-lib/assertions"
 * import { Code, Function, Runtime } from "aws-cdk-lib/aws-lambda"
 *
 * const stack = new Stack(new App(), "Worker")
 * const circuits = new CircuitTable(stack, "Circuits")
 * const worker = new Function(stack, "Worker", {
 *   runtime: Runtime.NODEJS_24_X,
 *   handler: "index.handler",
 *   code: Code.fromInline("exports.handler = async () => {}"),
 *   environment: { CIRCUITS_TABLE: circuits.tableName }
 * })
 * circuits.grantCircuits(worker)
 *
 * Template.fromStack(stack).hasResourceProperties("AWS::DynamoDB::Table", {
 *   KeySchema: [{ AttributeName: "key", KeyType: "HASH" }],
 *   TimeToLiveSpecification: { AttributeName: "expiresAt", Enabled: true }
 * })
 * ```
 *
 * @category constructs
 * @since 0.1.0
 */
export class CircuitTable extends Construct {
  /** The table itself, for whatever else it takes. */
  readonly table: Table

  constructor(scope: Construct, id: string, props: CircuitTableProps = {}) {
    super(scope, id)
    const { encryptionKey, removalPolicy = RemovalPolicy.RETAIN, tableName } = props
    const { deletionProtection = removalPolicy !== RemovalPolicy.DESTROY } = props
    this.table = new Table(this, "Table", {
      partitionKey: { name: "key", type: AttributeType.STRING },
      timeToLiveAttribute: "expiresAt",
      billingMode: BillingMode.PAY_PER_REQUEST,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      encryption: encryptionKey === undefined ? TableEncryption.AWS_MANAGED : TableEncryption.CUSTOMER_MANAGED,
      ...(encryptionKey === undefined ? {} : { encryptionKey }),
      removalPolicy,
      deletionProtection,
      ...(tableName === undefined ? {} : { tableName })
    })
  }

  /**
   * What `DynamoStore.layer` is given as `tableName`.
   *
   * @since 0.1.0
   */
  get tableName(): string {
    return this.table.tableName
  }

  /**
   * The table's ARN.
   *
   * @since 0.1.0
   */
  get tableArn(): string {
    return this.table.tableArn
  }

  /**
   * Lets a program keep circuits in this table, and nothing else: `dynamodb:BatchGetItem`, `dynamodb:GetItem` and
   * `dynamodb:UpdateItem`, `dynamodb:Scan` if it may list them, and the use of the table's own key if it has one:
   * to encrypt, to decrypt, and `kms:DescribeKey`.
   *
   * **Example** (An operator's program lists circuits)
   *
   * ```ts no-run
   * import type { CircuitTable } from "@reclose/cdk"
   * import type { IGrantable } from "aws-cdk-lib/aws-iam"
   *
   * declare const circuits: CircuitTable
   * declare const console: IGrantable
   *
   * circuits.grantCircuits(console, { list: true })
   * ```
   *
   * @since 0.1.0
   */
  grantCircuits(grantee: IGrantable, { list = false }: GrantOptions = {}): Grant {
    const grant = Grant.addToPrincipal({
      grantee,
      actions: list ? [...actions, "dynamodb:Scan"] : actions,
      resourceArns: [this.tableArn]
    })
    const key = this.table.encryptionKey
    if (key === undefined) return grant
    // DynamoDB looks at the key before it uses it on behalf of the program.
    return grant.combine(key.grantEncryptDecrypt(grantee)).combine(key.grant(grantee, "kms:DescribeKey"))
  }
}
