/** What protects the process from those who send too much or too slowly. */
export type HttpLimits = StreamLimits & {
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
  /** Files of reports that one api process sends at a time, half of them to one key: a connection and less than 1 MB each (measured). */
  maxDownloads: number
  /** After so long in which nothing of a file was taken its download ends: who takes it is gone, or holds its place to no use. */
  downloadPatienceSeconds: number
}

/** Of server-sent events. */
export type StreamLimits = {
  /** Listeners of one api process: a connection and some 35 KB each (measured). */
  maxListeners: number
  /** How many of those may have no key: whoever has a link cannot shut out the storefronts. */
  maxBuyers: number
  /** Of one order, with a key and as many without: a page left open in many windows, or somebody who means harm. */
  maxListenersPerOrder: number
  /** How often a silent stream says that it is there; proxies close what is silent for 30 to 60 s. */
  beatSeconds: number
  /** After this a listener has to come back, and show its key again. */
  maxStreamSeconds: number
}

export const httpLimits: HttpLimits = {
  maxBodyBytes: 256 * 1024,
  requestTimeoutSeconds: 15,
  headersTimeoutSeconds: 10,
  keepAliveTimeoutSeconds: 65,
  slowCheckSeconds: 1,
  // Platforms kill a process 15 s after they ask it to stop.
  closeTimeoutSeconds: 8,
  maxDownloads: 20,
  downloadPatienceSeconds: 60,
  maxListeners: 5_000,
  maxBuyers: 4_000,
  maxListenersPerOrder: 50,
  beatSeconds: 15,
  maxStreamSeconds: 900,
}
