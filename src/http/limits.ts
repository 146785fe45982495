/** What protects the process from those who send too much or too slowly. */
export type HttpLimits = {
  maxBodyBytes: number
  /** For a whole request, headers and body. */
  requestTimeoutSeconds: number
  headersTimeoutSeconds: number
  /** How long an idle connection is kept; longer than what load balancers keep theirs (60 s). */
  keepAliveTimeoutSeconds: number
  /** How often slow requests are looked for. */
  slowCheckSeconds: number
  /** How long closing waits for requests under way. */
  closeTimeoutSeconds: number
}

export const httpLimits: HttpLimits = {
  maxBodyBytes: 256 * 1024,
  requestTimeoutSeconds: 15,
  headersTimeoutSeconds: 10,
  keepAliveTimeoutSeconds: 65,
  slowCheckSeconds: 1,
  // Platforms kill a process 15 s after they ask it to stop.
  closeTimeoutSeconds: 8,
}
