/** A Redis Cluster for tests: three primaries, a replica for each. */
import { Context, Effect, Layer } from "effect"
import type { ChildProcess } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createClient } from "redis"
import { freePort } from "../../core/test/processes/freePort.ts"
import { eventually, start, stop } from "./support.ts"

/** A server of the cluster. */
export interface ClusterNode {
  readonly port: number
  readonly bus: number
  /** Sends it one command. */
  readonly command: (...words: ReadonlyArray<string>) => Effect.Effect<unknown>
  /** Ends it at once, as a crash does. */
  readonly kill: Effect.Effect<void>
  /** Leaves its connections open and lets it answer none. */
  readonly pause: Effect.Effect<void>
}

/** The cluster takes a server for dead that hasn't answered for this long, in milliseconds. */
const nodeTimeout = 1_000

/** A server that serves no slot yet. */
export const startNode = Effect.gen(function*() {
  const [port, bus] = [yield* freePort, yield* freePort]
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "reclose-cluster-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
  )
  const child: ChildProcess = yield* Effect.acquireRelease(
    start(port, directory, {
      "cluster-enabled": "yes",
      "cluster-port": bus,
      "cluster-node-timeout": nodeTimeout,
      "cluster-replica-validity-factor": 0
    }),
    stop
  )
  const command = (...words: ReadonlyArray<string>) =>
    Effect.promise(async () => {
      const client = createClient({ url: `redis://127.0.0.1:${port}`, socket: { reconnectStrategy: false } })
      client.on("error", () => {})
      await client.connect()
      try {
        return await client.sendCommand<unknown>([...words])
      } finally {
        client.destroy()
      }
    })
  return { port, bus, command, kill: stop(child), pause: Effect.sync(() => void child.kill("SIGSTOP")) }
}).pipe(Effect.retry({ times: 5 }))

const make = Effect.gen(function*() {
  const nodes = yield* Effect.all(Array.from({ length: 6 }, () => startNode))
  const [first, ...others] = nodes
  if (first === undefined) return yield* Effect.die("there are six")
  for (const { bus, port } of others) yield* first.command("CLUSTER", "MEET", "127.0.0.1", `${port}`, `${bus}`)
  const primaries = nodes.slice(0, 3)
  for (const [i, { command }] of primaries.entries()) {
    const bounds = [0, 5_461, 10_923, 16_384]
    yield* command("CLUSTER", "ADDSLOTSRANGE", `${bounds[i]}`, `${(bounds[i + 1] ?? 0) - 1}`)
  }
  const holds = (node: ClusterNode, state: RegExp) =>
    eventually(Effect.filterOrFail(node.command("CLUSTER", "INFO"), (info) => state.test(String(info))))
  for (const node of nodes) yield* holds(node, /cluster_known_nodes:6\b/)
  for (const [i, { command }] of nodes.slice(3).entries()) {
    const id = yield* primaries[i]?.command("CLUSTER", "MYID") ?? Effect.die("there are three")
    yield* eventually(command("CLUSTER", "REPLICATE", String(id)).pipe(Effect.sandbox))
  }
  for (const node of nodes) yield* holds(node, /cluster_state:ok/)
  const isReplicated = ({ command }: ClusterNode) =>
    eventually(
      Effect.filterOrFail(command("INFO", "replication"), (info) => /connected_slaves:1\b/.test(String(info)))
    )
  for (const primary of primaries) yield* isReplicated(primary)
  return { nodes, primaries }
}).pipe(Effect.orDie)

/** A cluster of the test's own, that ends with its scope. */
export class RedisCluster extends Context.Service<RedisCluster, {
  readonly nodes: ReadonlyArray<ClusterNode>
  /** Those that are primaries at first. */
  readonly primaries: ReadonlyArray<ClusterNode>
}>()("test/RedisCluster") {
  static readonly layer = Layer.effect(this, make)
}
