import type { CircuitState } from '#database/tables.ts'

type Known = {
  circuit: CircuitState
  epoch: number
  clean?: boolean
  probeInSeconds?: number
  probeDue?: boolean
}

/** What this worker knows of a target's circuit. The truth is in the database. */
export type CircuitView = Required<Known> & {
  /** Takes what is newer than what is known. Never a step back: answers may overtake each other. */
  learn(known: Known): void
  /** Whatever comes next counts. */
  forget(): void
}

export function createCircuitView(): CircuitView {
  return {
    circuit: 'closed',
    epoch: -1,
    clean: true,
    probeInSeconds: 0,
    probeDue: false,
    forget() {
      this.epoch = -1
    },
    learn({ circuit, epoch, clean, probeInSeconds, probeDue }) {
      if (epoch < this.epoch) return
      this.circuit = circuit
      this.epoch = epoch
      this.clean = clean ?? (circuit === 'closed' && this.clean)
      this.probeInSeconds = probeInSeconds ?? this.probeInSeconds
      this.probeDue = circuit === 'open' && (probeDue ?? this.probeDue)
    },
  }
}
