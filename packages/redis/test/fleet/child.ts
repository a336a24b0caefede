/** A process of a fleet that keeps its circuits in Redis. */
import * as RedisClient from "@reclose/redis/RedisClient"
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
  RedisStore.layer({ prefix }).pipe(Layer.provide(RedisClient.layer({
    url,
    maxReconnectDelay: "500 millis",
    pingInterval: watches ? "200 millis" : "1 hour",
    pingTimeout: "1 second"
  })))
)
