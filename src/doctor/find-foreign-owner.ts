import { readOwner } from '#owner/read-owner.ts'
import { sayWhy, takeCommand } from '#owner/say-fit.ts'

import type { Examination } from './examination.ts'

export const foreignOwner: Examination = {
  subject: 'whose database this is',
  async examine({ db, deployment }) {
    const { delivers, fit, owner } = await readOwner(db, deployment)
    // The first worker that starts takes one that nobody owns.
    if (delivers && (fit === 'fits' || fit === 'no-owner')) return { findings: [] }
    const whose = owner
      ? ` Its owner is ${owner.environment ?? 'an environment without a name'}, database ${owner.databaseName} of cluster ${owner.systemIdentifier ?? 'unknown'}.`
      : ''
    return {
      findings: [
        {
          kind: 'foreign-database',
          severity: delivers ? 'warning' : 'error',
          what: `${sayWhy(deployment, fit)}${whose}`,
          why: delivers
            ? 'What is open in a copy is told by its original as well, to the same targets.'
            : 'Orders are taken and nobody is told of them.',
          fix:
            deployment.deliver === 'if-owner'
              ? `${takeCommand} # only where this database is to go on in its original's place`
              : 'Take ORDERWHEEL_DELIVER out of the environment, unless it is meant.',
        },
      ],
    }
  },
}
