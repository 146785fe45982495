import type { Result, Scenario } from '../scenario.ts'
import { describeMachine } from './machine.ts'
import { openBench } from './open-bench.ts'
import { printResult } from './print-result.ts'
import { saveResult } from './results.ts'

export type RunOptions = {
  json: boolean
  quick: boolean
  /** Where results/<scenario>.json goes. */
  folder?: string
  /** A line on stdout. */
  print: (line: string) => void
  /** A line on stderr. */
  progress: (line: string) => void
}

/** Measures one scenario, prints the result and, but for a quick run, keeps it. A signal ends it, leaving nothing. */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<Result> {
  const { json, quick, print } = options
  const progress = (text: string) => options.progress(`${scenario.name}: ${text}`)
  const bench = openBench({ quick, progress })
  let interrupted = false
  const interrupt = () => {
    // npm passes on the Ctrl-C that the terminal has sent already, and a second one must not leave a server behind.
    if (interrupted) return
    interrupted = true
    progress('interrupted, cleaning up')
    void bench.close().then(() => process.exit(130))
  }
  for (const signal of signals) process.on(signal, interrupt)
  try {
    const result = await scenario.run(bench)
    const machine = describeMachine()
    if (!quick) await saveResult(result, machine, options.folder)
    print(json ? JSON.stringify(result) : printResult(result, machine))
    return result
  } finally {
    await bench.close()
    for (const signal of signals) process.off(signal, interrupt)
  }
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
