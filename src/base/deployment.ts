/** Which of several environments this process belongs to, and whether it may call targets there. */
export type Deployment = {
  /** Tells environments apart that share everything else; null: it has no name. */
  environment: string | null
  /** yes: it calls targets whoever owns the database · no: never · if-owner: while this environment does. */
  deliver: 'yes' | 'no' | 'if-owner'
  /** Whether a database that nobody owns becomes this environment's. */
  mayClaim: boolean
}

/** Where nothing says otherwise: one environment, without a name. */
export const onlyDeployment: Deployment = {
  environment: null,
  deliver: 'if-owner',
  mayClaim: true,
}

type Variables = Readonly<Record<string, string | undefined>>

/**
 * On Upsun the platform's own names count more than ORDERWHEEL_ENVIRONMENT, which a branch inherits from its parent
 * as it does the database.
 */
export function readDeployment(variables: Variables, mistakes: string[]): Deployment {
  const { PLATFORM_PROJECT: project, PLATFORM_ENVIRONMENT: branch } = variables
  const onPlatform = Boolean(project && branch)
  return {
    environment: onPlatform ? `${project}:${branch}` : readName(variables, mistakes),
    deliver: readDeliver(variables, mistakes),
    // A branch comes with a copy of its parent's database, which may be from before databases had owners.
    mayClaim: !onPlatform || variables['PLATFORM_ENVIRONMENT_TYPE'] === 'production',
  }
}

function readName(variables: Variables, mistakes: string[]): string | null {
  const name = variables['ORDERWHEEL_ENVIRONMENT']
  if (!name) return null
  if (/^[\x21-\x7e]{1,200}$/.test(name)) return name
  mistakes.push(
    'ORDERWHEEL_ENVIRONMENT is no name: write up to 200 letters, digits and signs without spaces, for example production.',
  )
  return null
}

function readDeliver(variables: Variables, mistakes: string[]): Deployment['deliver'] {
  const text = variables['ORDERWHEEL_DELIVER']
  if (!text) return 'if-owner'
  if (text === 'yes' || text === 'no') return text
  mistakes.push(
    `ORDERWHEEL_DELIVER is "${text}": write yes or no, or leave it out: then the owner of the database delivers.`,
  )
  return 'no'
}
