/** From when on the api takes no further orders, messages and reports, until nine tenths are left. */
export type IntakeLimits = {
  /** Messages in the outbox. */
  maxWaiting: number
  /** Age of the oldest that can be relayed. Null: however old. */
  maxAgeSeconds: number | null
}

/** Minutes for a relay that runs, some hundred megabytes for one that does not. Age alone harms nobody. */
export const intakeDefaults: IntakeLimits = { maxWaiting: 1_000_000, maxAgeSeconds: null }

/** Below this part of a limit it is over. */
export const resumesAt = 0.9
