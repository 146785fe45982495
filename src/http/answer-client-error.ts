import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'

import { problem, problemMediaType, type ProblemCode } from './problems.ts'

/**
 * Answers what Node refuses before there is a request (not HTTP, headers too large, too slow) and closes
 * the connection. Says nothing when an answer is already on its way there.
 */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || answerBegun(socket)) {
    socket.destroy()
    return
  }
  const answer = problem(codes[error.code ?? ''] ?? 'bad-request')
  const body = JSON.stringify(answer)
  socket.end(
    [
      `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}`,
      `Content-Type: ${problemMediaType}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Cache-Control: no-store',
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
    // Nobody who misbehaves keeps half a connection.
    () => socket.destroy(),
  )
}

const codes: Record<string, ProblemCode> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'headers-too-large',
}

// Node's own handler asks the same of its internals: a second status line would corrupt the first answer.
function answerBegun(socket: Socket & { _httpMessage?: { headersSent: boolean } | null }): boolean {
  return socket._httpMessage?.headersSent ?? false
}
