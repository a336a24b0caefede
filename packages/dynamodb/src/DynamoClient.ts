/**
 * The connection to DynamoDB that stores send their requests through.
 *
 * @since 0.1.0
 */
import { DynamoDBClient, type DynamoDBClientConfig } from "@aws-sdk/client-dynamodb"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/**
 * What `layerConfig` can read: the part of the SDK's configuration that differs between deployments.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Such as `eu-central-1`. */
  readonly region?: string | undefined
  /** A URL, for anything but AWS itself: an emulator, a VPC endpoint. */
  readonly endpoint?: string | undefined
  /** How often a request may be sent, the first time included: 1 unless set. Above 1 the SDK retries, and not the store. */
  readonly maxAttempts?: number | undefined
  readonly credentials?: {
    readonly accessKeyId: Redacted.Redacted
    readonly secretAccessKey: Redacted.Redacted
    readonly sessionToken?: Redacted.Redacted | undefined
  } | undefined
}

/**
 * The connection to DynamoDB that stores send their requests through: a client of the official AWS SDK.
 *
 * **Details**
 *
 * Either the store retries a request or the SDK does, never both. The store does for a client that sends a request once
 * (`maxAttempts: 1`, the default of `layer` and `layerConfig`). The SDK does for a client with more attempts, or with a
 * `retryStrategy` that is not known to send a request once. The store's delays are short, so that a throttled request is
 * known as such within a second.
 *
 * The store retries what the SDK retries: throttling, lost connections, timeouts, the statuses 500 to 504. A signature
 * that was too old, as in a container that was frozen before it sent the request, is made again once, by the SDK's
 * corrected clock.
 *
 * Every request can be interrupted, which closes it.
 *
 * **Gotchas**
 *
 * Stores need the time of DynamoDB's answers. They add a middleware to their own commands for it, which a client with
 * `cacheMiddleware: true` may leave out.
 *
 * **Example** (In production and against an emulator)
 *
 * ```ts no-run
 * import { DynamoClient, DynamoStore } from "@reclose/dynamodb"
 * import { Layer } from "effect"
 *
 * const store = DynamoStore.layer({ tableName: "circuits" })
 *
 * // Region and credentials from wherever the SDK finds them.
 * const Production = store.pipe(Layer.provide(DynamoClient.layer({})))
 *
 * const Local = store.pipe(Layer.provide(DynamoClient.layer({
 *   endpoint: "http://127.0.0.1:8000",
 *   region: "local",
 *   credentials: { accessKeyId: "local", secretAccessKey: "local" }
 * })))
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class DynamoClient extends Context.Service<DynamoClient, DynamoDBClient>()("@reclose/dynamodb/DynamoClient") {
  /**
   * Makes a client from the SDK's own configuration, and destroys it when the layer's scope closes.
   *
   * **Details**
   *
   * Two defaults differ from the SDK's: a request is sent once (`maxAttempts`), since the store retries it; and it
   * gives up on a connection after 1 second and on an answer after 5 (`requestHandler`), where the SDK would wait.
   *
   * @since 0.1.0
   */
  static readonly layer = (config: DynamoDBClientConfig): Layer.Layer<DynamoClient> =>
    Layer.effect(this, acquire(config))

  /**
   * Makes a client from configuration. Whatever is left out comes from where the SDK finds it: environment, profile,
   * role of the machine.
   *
   * **Example** (Region and endpoint from the environment)
   *
   * ```ts no-run
   * import { DynamoClient } from "@reclose/dynamodb"
   * import { Config } from "effect"
   *
   * const Client = DynamoClient.layerConfig({
   *   region: Config.String("CIRCUITS_REGION"),
   *   endpoint: Config.String("CIRCUITS_ENDPOINT").pipe(Config.withDefault(undefined))
   * })
   * ```
   *
   * @since 0.1.0
   */
  static readonly layerConfig = (options: Config.Wrap<Options>): Layer.Layer<DynamoClient, Config.ConfigError> =>
    Layer.effect(this, Effect.flatMap(Config.unwrap(options), (options) => acquire(toClientConfig(options))))

  /**
   * Uses a client that the program owns, as it is. Whoever made it destroys it.
   *
   * **Gotchas**
   *
   * The SDK's own default is to send a throttled request again after up to a second, and to wait for an answer for
   * minutes. A breaker gives up on its store before that, and then can't tell why. Set `maxAttempts: 1` on the client to
   * have the store retry instead.
   *
   * @since 0.1.0
   */
  static readonly fromClient = (client: DynamoDBClient): Layer.Layer<DynamoClient> => Layer.succeed(this, client)
}

const acquire = (config: DynamoDBClientConfig) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      new DynamoDBClient({
        maxAttempts: 1,
        requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
        ...config
      })
    ),
    (client) => Effect.sync(() => client.destroy())
  )

const toClientConfig = ({ credentials, endpoint, maxAttempts, region }: Options): DynamoDBClientConfig => ({
  ...(region === undefined ? {} : { region }),
  ...(endpoint === undefined ? {} : { endpoint }),
  ...(maxAttempts === undefined ? {} : { maxAttempts }),
  ...(credentials === undefined ? {} : {
    credentials: {
      accessKeyId: Redacted.value(credentials.accessKeyId),
      secretAccessKey: Redacted.value(credentials.secretAccessKey),
      ...(credentials.sessionToken === undefined ? {} : { sessionToken: Redacted.value(credentials.sessionToken) })
    }
  })
})
