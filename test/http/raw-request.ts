import { connect } from 'node:net'

/** Sends bytes as they are over a connection of its own; answers what came back until the server closed it. */
export async function sendRaw(port: number, ...chunks: (string | Buffer)[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  for (const chunk of chunks) socket.write(chunk)
  const answer: Buffer[] = []
  try {
    for await (const chunk of socket) answer.push(chunk as Buffer)
  } catch (error) {
    // A server that closes while we still write resets the connection, after its answer.
    if (!(error instanceof Error && 'code' in error)) throw error
  }
  return Buffer.concat(answer).toString()
}
