import type { Simulator } from '#simulator/start-simulator.ts'

export type RecordedCall = {
  rawBody: string
  at: string
  path: string
  answered: number | null
  idempotencyKey: string | null
  /** Null while it is under way. */
  durationMs: number | null
}

/** What a simulated target was asked, oldest first. */
export async function callsOf(simulator: Simulator, target: string): Promise<RecordedCall[]> {
  const response = await fetch(`${simulator.url}/${target}/calls`)
  return (await response.json()) as RecordedCall[]
}

export type RecordedMail = {
  to: string
  subject: string
  text: string
  receivedAt: string
  attachments: { filename: string; contentType: string; bytes: number }[]
}

export async function mailsOf(simulator: Simulator): Promise<RecordedMail[]> {
  return (await (await fetch(`${simulator.url}/mailbox`)).json()) as RecordedMail[]
}

/** Changes how a simulated target behaves; `mailbox` is the mail server. */
export async function behave(
  simulator: Simulator,
  target: string,
  behaviour: object,
): Promise<void> {
  const response = await fetch(`${simulator.url}/${target}/behaviour`, {
    method: 'PUT',
    body: JSON.stringify(behaviour),
  })
  if (!response.ok) throw new Error(await response.text())
}
