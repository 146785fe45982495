/** What a target's code is told when it looks at the order of a message that is about none. */
export class NoOrder extends Error {
  constructor({ id, kind }: { id: string; kind: string }) {
    super(`message ${kind} ${id} is about no order: there is only message.payload`)
  }
}
