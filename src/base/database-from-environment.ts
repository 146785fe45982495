import type { ClientConfig } from 'pg'

import type { Variables } from './environment.ts'

type UrlVariable = 'DATABASE_URL' | 'DIRECT_DATABASE_URL'

/**
 * The connection a URL gives, or, for DATABASE_URL, the parts some platforms give instead; undefined
 * when neither is set. Mistakes never quote the value: it holds a password.
 */
export function readDatabase(
  variables: Variables,
  name: UrlVariable,
  mistakes: string[],
): ClientConfig | undefined {
  const url = variables[name]
  if (url) return fromUrl(name, url, mistakes)
  if (name === 'DATABASE_URL' && variables['POSTGRESQL_HOST']) return fromParts(variables, mistakes)
  return undefined
}

function fromUrl(name: UrlVariable, text: string, mistakes: string[]): ClientConfig | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  // An unescaped # or / in the password ends the URL's authority: the rest is path or fragment.
  const mangled = !url || url.hash !== '' || url.pathname.includes('@')
  if (mangled || !/^(postgres|postgresql|pgsql):$/.test(url.protocol)) {
    mistakes.push(
      `${name} is not a PostgreSQL URL: write postgresql://user:password@host:5432/database, and in the password %23 for #, %2F for /, %40 for @, %25 for %.`,
    )
    return undefined
  }
  return { connectionString: text.replace(/^pgsql:/, 'postgresql:') }
}

/** Taken as they are, so that a password may hold what a URL may not. */
function fromParts(variables: Variables, mistakes: string[]): ClientConfig | undefined {
  const { POSTGRESQL_HOST: host, POSTGRESQL_PATH: database, POSTGRESQL_USERNAME: user } = variables
  if (!host || !database || !user) {
    mistakes.push(
      'POSTGRESQL_HOST is set without POSTGRESQL_PATH (the database) and POSTGRESQL_USERNAME: set them, or DATABASE_URL instead.',
    )
    return undefined
  }
  const port = Number(variables['POSTGRESQL_PORT'] || '5432')
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    mistakes.push(
      `POSTGRESQL_PORT is "${variables['POSTGRESQL_PORT']}": write a whole number from 1 to 65535, for example 5432.`,
    )
    return undefined
  }
  const password = variables['POSTGRESQL_PASSWORD']
  return { host, port, database, user, ...(password ? { password } : {}) }
}
