/** A process of a fleet that keeps its circuits in Redis. */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as RedisStore from "@reclose/redis/RedisStore"
import * as Layer from "effect/Layer"
import { serve } from "../../../core/test/processes/program.ts"

/** Where Redis is, and as whom. */
export interface Where {
  readonly url: string
  readonly prefix: string
  /** Whether the client watches its connection; then it sends a PING every 200 milliseconds. */
  readonly watches: boolean
}

serve(({ prefix, url, watches }: Where) =>
  RedisStore.layer({ prefix }).pipe(Layer.provide(NodeRedis.layer({
    url,
    disableOfflineQueue: true,
    commandsQueueMaxLength: 1_000,
    socket: {
      reconnectStrategy: (retries) => Math.min(50 * 2 ** retries, 500),
      ...(watches ? { socketTimeout: 1_000 } : {})
    },
    ...(watches ? { pingInterval: 200 } : {})
  })))
)
