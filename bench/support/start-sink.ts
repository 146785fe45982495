import type { SinkReport } from '../contenders/sink.ts'
import type { Bench } from '../scenario.ts'

export type Sink = {
  url: string
  look(): Promise<SinkReport>
  stop(): Promise<void>
}

/** A target of the bench's own, in a process of its own. */
export async function startSink(
  bench: Bench,
  { delayMs = 0, records = false }: { delayMs?: number; records?: boolean } = {},
): Promise<Sink> {
  const contender = bench.startContender('contenders/sink.ts', {
    env: { SINK_DELAY_MS: String(delayMs), SINK_RECORDS: records ? 'yes' : 'no' },
  })
  const { url } = await contender.report<{ url: string }>()
  return {
    url,
    look() {
      contender.send({})
      return contender.report<SinkReport>()
    },
    stop: () => contender.stop(),
  }
}
