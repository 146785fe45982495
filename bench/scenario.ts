import type pg from 'pg'

/** One row of the speed table: what is measured, and against what. */
export type Scenario = {
  name: string
  /** What is measured, in one line. */
  what: string
  run(bench: Bench): Promise<Result>
}

export type Result = {
  scenario: string
  ours: number
  /** The primary reference's figure, or the limit when there is nothing to compare with. */
  reference: number
  /** At least `atLeast` when it holds. Where lower is better: reference / ours. */
  ratio: number
  atLeast: number
  /** Whether every comparison holds. */
  holds: boolean
  unit: string
  /** `comparisons` when there are several references; rounds, p50, p99 and what else explains the figure. */
  details: Record<string, unknown> & { comparisons?: Comparison[] }
}

export type Comparison = {
  /** What it is compared with. */
  reference: string
  figure: number
  ratio: number
  atLeast: number
  holds: boolean
}

/** What a scenario works with. All that it starts is ended with the scenario. */
export type Bench = {
  /** A run to try things out: fewer and smaller rounds, nothing written to results/. */
  quick: boolean
  /** A fresh, migrated database on the bench's own PostgreSQL, which is started with the first one. */
  createDatabase(): Promise<BenchDatabase>
  /** Runs a script of `bench/` (such as `contenders/pump.ts`) in a process of its own. */
  startContender(file: string, options?: ProcessOptions): Contender
  /** Runs the product: `orderwheel <args>`, with bench/orderwheel.config.ts. Its log is a file. */
  startOrderwheel(
    args: readonly string[],
    env: Record<string, string>,
    options?: { nodeArgs?: readonly string[] },
  ): OrderwheelProcess
  /** A line for the person who waits, on stderr. */
  progress(text: string): void
}

export type BenchDatabase = {
  url: string
  pool: pg.Pool
  /** Checkpoint, and `vacuum analyze` of this database: what was written before is paid for. */
  tidy(): Promise<void>
  /** Closes the pool and drops the database, with whoever is still connected. May be called twice. */
  drop(): Promise<void>
}

export type ProcessOptions = {
  env?: Record<string, string>
  args?: readonly string[]
  nodeArgs?: readonly string[]
}

export type Contender = {
  pid: number
  /** What it reports next (see support/contender.ts). Rejects when it ends without. */
  report<T>(): Promise<T>
  /** Heard by `command()` in the contender. */
  send(command: object): void
  /** SIGTERM; resolves when it has ended. May be called twice. */
  stop(): Promise<void>
}

export type OrderwheelProcess = {
  pid: number
  /** Everything it wrote so far, stderr included. */
  output(): string
  /** Resolves when its output matches; rejects when it ends first, or after two minutes. */
  said(pattern: RegExp): Promise<RegExpExecArray>
  /** SIGTERM; resolves with the exit code when it has ended. May be called twice. */
  stop(): Promise<number | null>
  ended: Promise<number | null>
}
