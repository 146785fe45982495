import type { Deployment } from '#base/deployment.ts'

import { type OwnerFit, willClaim } from './owner-fit.ts'

/** Why targets may or may not be called from here, and what to do about it, as sentences. */
export function sayFit(deployment: Deployment, fit: OwnerFit): string {
  const why = sayWhy(deployment, fit)
  const asItIs = deployment.deliver !== 'if-owner' || fit === 'fits' || willClaim(deployment, fit)
  if (asItIs) return why
  return `${why} Nothing is delivered from here until somebody runs: ${takeCommand}`
}

/** The same without what to do. */
export function sayWhy(deployment: Deployment, fit: OwnerFit): string {
  const { deliver, environment } = deployment
  if (deliver === 'no') return 'ORDERWHEEL_DELIVER is no: nothing is delivered from here.'
  if (fit === 'fits') return 'This environment owns the database.'
  if (willClaim(deployment, fit))
    return 'Nobody owns this database yet: the first worker makes it its environment’s.'
  const why = sayMisfit(fit, environment)
  if (deliver === 'yes') return `${why} ORDERWHEEL_DELIVER is yes: it is delivered all the same.`
  return why
}

/** What makes an environment the owner. */
export const takeCommand = 'orderwheel owner --take --reason <why>'

/** What whoever owns a database without having a name is to know. */
export const namelessOwner = `This environment owns the database and has no name, so that it would deliver from a copy of its files, too: set ORDERWHEEL_ENVIRONMENT, restart, and run at once: ${takeCommand}`

function sayMisfit(fit: Exclude<OwnerFit, 'fits'>, environment: string | null): string {
  const here = environment === null ? 'this one, without a name,' : `"${environment}"`
  switch (fit) {
    case 'no-owner':
      return `Nobody owns this database, and ${here} takes none by itself, not being production.`
    case 'cluster':
      return 'This database was restored or copied from another PostgreSQL cluster.'
    case 'database':
      return 'This database is a copy of another one of this cluster.'
    case 'renamed':
      return 'This database was renamed, or copied from one with another name.'
    case 'copied':
      return 'The data of this database was restored or copied from another one.'
    case 'environment':
      return `Another environment owns this database, not ${here.replace(/,$/, '')}.`
    default:
      return fit satisfies never
  }
}
