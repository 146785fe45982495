import type { Fact } from './order-changes.ts'
import type { WatchedMessage } from './read-watched.ts'
import type { MessageProgress, ToldProgress } from './told-progress.ts'

const steps: readonly MessageProgress[] = ['waits', 'refused', 'relayed']

/** The steps of a message that were not told yet. */
export function messageFacts(message: WatchedMessage, { messages }: ToldProgress): Fact[] {
  const { key } = message
  const told = messages.get(key)
  const next = told === undefined ? 0 : steps.indexOf(told) + 1
  return steps.slice(next).flatMap((step) => {
    const at = timeOf(message, step)
    return at === null
      ? []
      : [{ at: Date.parse(at), rank: 1, tell: () => void messages.set(key, step) }]
  })
}

/** Milliseconds; 0: it was not told. */
export function messageToldAt(message: WatchedMessage, { messages }: ToldProgress): number {
  const told = messages.get(message.key)
  const at = told && timeOf(message, told)
  return at ? Date.parse(at) : 0
}

/** null: it did not come to that. When it was refused is not written down. */
function timeOf(message: WatchedMessage, step: MessageProgress): string | null {
  switch (step) {
    case 'waits':
      return message.createdAt
    case 'refused':
      return message.isRefused ? message.createdAt : null
    case 'relayed':
      return message.relayedAt
    default:
      return step satisfies never
  }
}
