/** What can happen to an order and has to be told. A new kind of ours starts here. */
export const messageKinds = ['order.placed', 'order.cancelled'] as const

export type MessageKind = (typeof messageKinds)[number]

/** Which targets are told of which kind of message, ours or a declared one, as the configuration file says. */
export type Routes = Readonly<Record<string, readonly string[]>>

/** Whether it is a kind of ours. */
export function isMessageKind(kind: string): kind is MessageKind {
  return (messageKinds as readonly string[]).includes(kind)
}

/** The job's readable key in pg-boss: at most one queued or active job per target, kind and order. */
export function singletonKey(kind: string, orderId: string): string {
  return `${kind}:${orderId}`
}
