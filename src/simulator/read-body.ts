import type { IncomingMessage } from 'node:http'

const maxBodyBytes = 1024 * 1024

/**
 * The request's body as text, cut at 1 MiB. The rest is read too, so that the client gets an answer
 * instead of a broken connection. Throws when the client goes away.
 */
export async function readBody(
  request: IncomingMessage,
): Promise<{ text: string; tooLarge: boolean }> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    if (bytes < maxBodyBytes) chunks.push(chunk)
    bytes += chunk.length
  }
  const text = Buffer.concat(chunks).subarray(0, maxBodyBytes).toString('utf8')
  return { text, tooLarge: bytes > maxBodyBytes }
}
