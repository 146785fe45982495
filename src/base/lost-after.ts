/**
 * Seconds without a sign of life after which a worker counts as lost: its jobs and its slots go to others.
 * Workers say theirs three times as often, so that two lost ones cost nothing.
 */
export const lostAfterSeconds = 10
