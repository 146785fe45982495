/**
 * The order of stopping. Each stage needs the later ones to end well: work under way is finished with the
 * queues, targets and connections it needs. Parts of one stage stop side by side, since each may take nearly
 * all of the time there is.
 */
const stages = ['work', 'queues', 'targets', 'connections', 'server'] as const

/** Something that runs until it is stopped. */
export type Part = {
  /** For the line that says what does not stop. */
  name: string
  stage: (typeof stages)[number]
  stop: () => Promise<void>
  /** Rejects when the part broke for good. */
  failed?: Promise<never>
}

export type Run = {
  /** Aborts when the process is asked to stop: starting ends early, too. */
  signal: AbortSignal
  /** Adds a part that has started. */
  add: (part: Part) => void
}

export type RunOptions = {
  /** Starts the parts, adding each as soon as it is to be stopped. Throwing stops those added. */
  start: (run: Run) => Promise<void>
  /** Ends the run without a signal when it resolves: for commands that process what is there. */
  until?: () => Promise<void>
  /** Called once, at the first signal. */
  stopping?: (signal: string) => void
  /** Called at the second signal, right before the process ends. */
  stoppingAtOnce?: () => void
  /** Seconds for the longest stage, usually the work. The others get 3 more. Default 10: some platforms kill after 15. */
  stopSeconds?: number
}

/**
 * Runs until SIGINT, SIGTERM or SIGHUP, then stops every part; a second signal ends the process at once.
 * Resolves when all have stopped; throws what made the start or a part fail, after stopping the rest.
 */
export async function runUntilSignal(options: RunOptions): Promise<void> {
  const parts: Part[] = []
  const asked = new AbortController()
  const ended = Promise.withResolvers<void>()
  // A part may fail while others are still being started or stopped, when nobody looks.
  ended.promise.catch(() => {})
  const forget = listenForSignals({
    first(signal) {
      options.stopping?.(signal)
      asked.abort()
      ended.resolve()
    },
    second() {
      options.stoppingAtOnce?.()
      process.exit(130)
    },
  })
  let stopping = false
  const add = (part: Part) => {
    // Starting went on beside what failed.
    if (stopping) void part.stop().catch(() => {})
    else parts.push(part)
    part.failed?.catch(ended.reject)
  }
  try {
    await startUnlessStopped(() => options.start({ signal: asked.signal, add }), asked.signal)
    if (options.until && !asked.signal.aborted) await Promise.race([options.until(), ended.promise])
    else await ended.promise
  } finally {
    stopping = true
    await stopAll(parts, (options.stopSeconds ?? 10) + 3)
    forget()
  }
}

/** A start that was interrupted has failed for the reason it was asked to. */
async function startUnlessStopped(start: () => Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    await start()
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** npm forwards the Ctrl-C that the terminal has sent to everybody already: that is one signal, not two. */
const sameSignalMs = 500

// SIGHUP: the terminal was closed.
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

type Heard = { first: (signal: string) => void; second: () => void }

function listenForSignals({ first, second }: Heard): () => void {
  let firstAt: number | undefined
  const onSignal = (signal: NodeJS.Signals) => {
    if (firstAt === undefined) {
      firstAt = performance.now()
      first(signal)
    } else if (performance.now() - firstAt > sameSignalMs) second()
  }
  for (const name of signals) process.on(name, onSignal)
  return () => {
    for (const name of signals) process.off(name, onSignal)
  }
}

async function stopAll(parts: Part[], stopSeconds: number): Promise<void> {
  const running = new Set(parts)
  const late = setTimeout(() => {
    const names = [...running].map(({ name }) => name).join(', ')
    process.stderr.write(`Not stopped within ${stopSeconds} s: ${names}. Ending without them\n`)
    process.exit(1)
  }, stopSeconds * 1_000)
  const failures: unknown[] = []
  const stop = async (part: Part) => {
    // What comes after has to be stopped all the same.
    await part.stop().catch((error: unknown) => failures.push(error))
    running.delete(part)
  }
  for (const stage of stages)
    await Promise.all(parts.filter((part) => part.stage === stage).map(stop))
  clearTimeout(late)
  if (failures.length > 0) throw failures[0]
}
