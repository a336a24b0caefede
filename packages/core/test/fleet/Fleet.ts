/** A fleet of processes that share one circuit, all on one clock that a seed drives. */
import {
  type Breaker,
  CircuitBreaker,
  type CircuitEvent,
  CircuitOpen,
  type CircuitState,
  CircuitStore,
  type Policy,
  type Snapshot
} from "@reclose/core"
import { Clock, Effect, Exit, Random as EffectRandom, Scope, Stream } from "effect"
import { Random } from "../machine/model/random.ts"
import { type Faults, FleetStore, type Link } from "./FleetStore.ts"
import { toNanos, World } from "./World.ts"

const key = "quotes"

/** The clock of one process: of an origin of its own, standing still while the process sleeps, its wall clock off. */
export class ProcessClock implements Clock.Clock {
  private readonly base: Clock.Clock
  private readonly origin: number
  /** By how much the clock has fallen behind in all. */
  behind = 0
  /** When the wall clock was last set. */
  setAt = Number.NEGATIVE_INFINITY
  private skew: number

  constructor(base: Clock.Clock, random: Random) {
    this.base = base
    this.origin = random.between(0, 1_000_000)
    this.skew = random.between(-100_000, 100_000)
  }

  /** The clock falls behind by so much: it stood still while the machine was asleep, or was set back. */
  fallBehind(millis: number): void {
    this.behind += millis
  }

  /** Somebody sets the wall clock. */
  set(by: number): void {
    this.skew += by
    this.setAt = this.base.currentTimeMillisUnsafe()
  }

  currentTimeMillisUnsafe() {
    return Math.max(0, Math.floor(this.base.currentTimeMillisUnsafe()) + this.skew + 1_000_000)
  }

  currentTimeNanosUnsafe() {
    return BigInt(this.currentTimeMillisUnsafe()) * 1_000_000n
  }

  monotonicTimeNanosUnsafe() {
    return toNanos(this.base.currentTimeMillisUnsafe() + this.origin - this.behind)
  }

  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = Effect.sync(() => this.monotonicTimeNanosUnsafe())

  sleep(duration: Parameters<Clock.Clock["sleep"]>[0]) {
    return this.base.sleep(duration)
  }
}

/** A call that is under way, or was. */
export interface Call {
  readonly process: Process
  readonly at: number
  readonly isProbe: boolean
  isOver: boolean
  /** The override that its process knew of. */
  readonly override: CircuitState["override"]
  /** When it failed, if it did. */
  failedAt: number | undefined
  /** By how much its process's clock had fallen behind by then. */
  failedBehind: number
}

/** A call that a circuit rejected. */
export interface Rejection {
  readonly process: Process
  readonly at: number
  readonly open: CircuitOpen
  /** Whether the caller had waited for exactly the `retryAfter` of an open circuit, on a clock that ran on. */
  readonly hasWaited: boolean
}

/** What operators may ask of a circuit. */
export type Act = "forceOpen" | "forceClosed" | "disable" | "metricsOnly" | "release" | "reset"

export const overrides: Readonly<Record<Act, CircuitState["override"]>> = {
  forceOpen: "ForcedOpen",
  forceClosed: "ForcedClosed",
  disable: "Disabled",
  metricsOnly: "MetricsOnly",
  release: "None",
  reset: "None"
}

/** What an operator did, a restored snapshot included. */
export interface Acted {
  readonly process: Process
  readonly at: number
  readonly override: CircuitState["override"]
}

export interface Process {
  readonly id: number
  readonly breaker: Breaker
  readonly scope: Scope.Closeable
  readonly clock: ProcessClock
  readonly link: Link
  readonly startedAt: number
  /** Whether its calls fail whatever the dependency does. */
  readonly isBad: boolean
  /** How often it reported that the store failed, and that the store recovered. */
  readonly reports: { failed: number; recovered: number }
}

export interface FleetOptions {
  readonly seed: number
  readonly policy: Policy.Policy
  readonly faults: Faults
  readonly pushes: boolean
  /** Whether the fleet hears what its processes report of the store. */
  readonly hears?: boolean
  /** Whether callers wait as long as an open circuit asks for, and call again at once. */
  readonly isPatient?: boolean
}

export class Fleet {
  readonly random: Random
  readonly world: World
  readonly store: FleetStore
  readonly calls: Array<Call> = []
  readonly rejections: Array<Rejection> = []
  readonly acts: Array<Acted> = []
  readonly snapshots: Array<Snapshot.BreakerSnapshot> = []
  /** When the store last lost its record or held an older one again, and when its clock or a process's stood still. */
  lostAt = Number.NEGATIVE_INFINITY
  stoodStillAt = Number.NEGATIVE_INFINITY
  /** When the store last began or ceased to deny what it is asked. */
  deniedAt = Number.NEGATIVE_INFINITY
  processes: ReadonlyArray<Process> = []
  /** Whether the dependency answers. */
  isUp = true
  /** Which share of the calls of a load fails though the dependency is up. */
  failing = 0
  /** The calls of a load that ran, and those of them that failed. */
  made = 0
  wasted = 0
  private started = 0
  private readonly options: FleetOptions

  constructor(options: FleetOptions) {
    this.options = options
    this.random = new Random(options.seed)
    this.world = new World(this.random)
    this.store = new FleetStore(this.world, this.random)
  }

  /** Starts a process that knows nothing. */
  start(isBad = false): Process {
    const id = this.started++
    const clock = new ProcessClock(this.world.clock, this.random)
    const link = this.store.link(id, this.options.faults, this.options.pushes)
    const scope = Scope.makeUnsafe()
    const breaker = this.world.run(
      Effect.orDie(CircuitBreaker.make(this.options.policy)).pipe(
        Scope.provide(scope),
        Effect.provideService(CircuitStore, link.service),
        Effect.provideService(Clock.Clock, clock),
        EffectRandom.withSeed(`${this.options.seed}/${id}`)
      )
    )
    const reports = { failed: 0, recovered: 0 }
    const process = { id, breaker, scope, clock, link, isBad, startedAt: this.world.now(), reports }
    if (this.options.hears === true) {
      const hear = (event: CircuitEvent) =>
        Effect.sync(() => {
          if (event._tag === "StoreFailed") reports.failed++
          if (event._tag === "StoreRecovered") reports.recovered++
        })
      this.world.fork(Effect.forkIn(Stream.runForEach(breaker.events, hear), scope))
    }
    this.processes = [...this.processes, process]
    return process
  }

  /** Ends a process without notice: what it had to tell is lost. */
  crash(process: Process): void {
    process.link.cut(true)
    this.processes = this.processes.filter((other) => other !== process)
    for (const call of this.calls) if (call.process === process) call.isOver = true
    this.world.fork(Scope.close(process.scope, Exit.void))
  }

  /** Makes a call that takes so long, beside everything else. */
  call(process: Process, takes: number): void {
    this.attempt(process, takes, false)
  }

  private attempt(process: Process, takes: number, hasWaited: boolean): void {
    const guarded = Effect.suspend(() => {
      const fails = process.isBad || !this.isUp
      return Effect.gen({ self: this }, function*() {
        const { override, phase } = yield* Effect.orDie(process.breaker.state(key))
        const at = this.world.now()
        const isProbe = phase === "HalfOpen" && override === "None"
        const call: Call = { process, at, isProbe, isOver: false, override, failedAt: undefined, failedBehind: 0 }
        this.calls.push(call)
        yield* Effect.ensuring(
          Effect.sleep(takes),
          Effect.sync(() => {
            call.isOver = true
          })
        )
        if (!fails) return
        call.failedAt = this.world.now()
        call.failedBehind = process.clock.behind
        return yield* Effect.fail("down")
      })
    })
    const rejected = (error: unknown) =>
      Effect.sync(() => {
        if (error instanceof CircuitOpen) this.rejected(process, takes, error, hasWaited)
      })
    this.world.fork(guarded.pipe(process.breaker.withBreaker(key), Effect.catch(rejected)))
  }

  private rejected(process: Process, takes: number, open: CircuitOpen, hasWaited: boolean): void {
    const { clock } = process
    const { behind } = clock
    this.rejections.push({ process, at: this.world.now(), open, hasWaited })
    if (this.options.isPatient !== true || open.reason !== "Tripped" || hasWaited) return
    const again = Effect.sync(() => {
      if (this.processes.includes(process)) this.attempt(process, takes, clock.behind === behind)
    })
    this.world.fork(Effect.andThen(Effect.sleep(open.retryAfter), again))
  }

  /** Has an operator ask something of the circuit through a process. */
  act(process: Process, act: Act): void {
    this.acts.push({ process, at: this.world.now(), override: overrides[act] })
    this.world.fork(Effect.orDie(process.breaker[act](key)))
  }

  /** Takes a snapshot of a process and keeps it, if the process has used the circuit. */
  save({ breaker }: Process): Snapshot.BreakerSnapshot {
    const snapshot = this.world.run(breaker.snapshot)
    if (snapshot.circuits.length > 0) this.snapshots.push(snapshot)
    return snapshot
  }

  /** Restores a process from a snapshot, with the override given. */
  restore(process: Process, { circuits }: Snapshot.BreakerSnapshot, override: CircuitState["override"]): void {
    this.acts.push({ process, at: this.world.now(), override })
    const overridden = circuits.map((circuit) => ({ ...circuit, override }))
    this.world.run(Effect.orDie(process.breaker.restore({ version: 1, circuits: overridden })))
  }

  /** Updates the policy of a process. */
  update({ breaker }: Process, policy: Policy.Policy): void {
    this.world.run(Effect.orDie(breaker.update(policy)))
  }

  /** The states of the circuit in the processes, each of which has used it. */
  get states(): ReadonlyArray<CircuitState> {
    return this.processes.map(({ breaker }) => this.world.run(Effect.orDie(breaker.state(key))))
  }

  /** The phase of a breaker that has used the key. */
  phaseOf(breaker: Breaker): CircuitState["phase"] {
    return this.world.run(Effect.orDie(breaker.state(key))).phase
  }

  /**
   * Has a process make calls of 20 milliseconds, one each `every` milliseconds on average, until the fleet ends. One that
   * is frozen in between tells after each call what there is to tell.
   */
  load(process: Process, every: number, isFrozen: boolean): void {
    const guarded = Effect.suspend(() => {
      this.made++
      const fails = process.isBad || !this.isUp || this.random.chance(this.failing)
      if (fails) this.wasted++
      return fails ? Effect.delay(Effect.fail("down"), 20) : Effect.sleep(20)
    }).pipe(process.breaker.withBreaker(key), Effect.exit)
    const call = isFrozen ? Effect.andThen(guarded, process.breaker.flush) : guarded
    const some = Effect.suspend(() => Effect.sleep(2 * every * this.random.next()))
    // A call doesn't wait for the one before it.
    const loop = Effect.forever(Effect.andThen(some, Effect.sync(() => this.world.fork<unknown, never>(call))))
    this.world.fork(Effect.forkIn(loop, process.scope))
  }

  /** Ends all of it. */
  end(): void {
    for (const { scope } of this.processes) this.world.fork(Scope.close(scope, Exit.void))
    this.world.pass(2000)
  }
}
