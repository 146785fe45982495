import { expect, test } from 'vitest'

import {
  databaseOf,
  directDatabaseOf,
  environmentVariables,
  readEnvironment,
} from '#base/environment.ts'

test('an empty environment means the documented defaults', () => {
  expect(readEnvironment({})).toMatchObject({
    port: 8080,
    host: '127.0.0.1',
    configFile: 'orderwheel.config.ts',
    dataDirectory: '.orderwheel',
    simulatorPort: 3900,
    smtpPort: 2525,
    databasePoolSize: 10,
    stopSeconds: 10,
    production: false,
  })
})

test('a variable that is set to nothing counts as not set', () => {
  const variables = Object.fromEntries(environmentVariables.map(({ name }) => [name, '']))

  expect(readEnvironment(variables)).toEqual({ ...readEnvironment({}), variables })
})

test('every mistake is reported at once, with the variable and what to write', () => {
  const variables = { PORT: '80800', ORDERWHEEL_SMTP_PORT: 'smtp', LOG_LEVEL: 'loud' }

  expect(() => readEnvironment(variables)).toThrow(
    [
      'LOG_LEVEL is "loud": write one of trace, debug, info, warn, error, fatal, silent.',
      'PORT is "80800": write a whole number from 0 to 65535, for example 8080.',
      'ORDERWHEEL_SMTP_PORT is "smtp": write a whole number from 0 to 65535, for example 2525.',
    ].join('\n'),
  )
})

test.each(['-1', '1.5', '1e3', '0x50', ' ', '8080x'])('PORT %j is no port', (PORT) => {
  expect(() => readEnvironment({ PORT })).toThrow('PORT is')
})

test('the parts that a platform gives make a connection, whatever the password holds', () => {
  const environment = readEnvironment({
    POSTGRESQL_HOST: 'database.internal',
    POSTGRESQL_PORT: '5433',
    POSTGRESQL_PATH: 'main',
    POSTGRESQL_USERNAME: 'app',
    POSTGRESQL_PASSWORD: 'a#b/c@d%e',
  })

  expect(databaseOf(environment)).toEqual({
    host: 'database.internal',
    port: 5433,
    database: 'main',
    user: 'app',
    password: 'a#b/c@d%e',
  })
})

test('DATABASE_URL counts more than the parts', () => {
  const DATABASE_URL = 'postgresql://app:secret@db:5432/shop'

  expect(databaseOf(readEnvironment({ DATABASE_URL, POSTGRESQL_HOST: 'other' }))).toEqual({
    connectionString: DATABASE_URL,
  })
})

test.each([
  'postgresql://app:se#cret@db:5432/shop',
  'postgresql://app:se/cret@db:5432/shop',
  'postgresql://app:12#34@db:5432/shop',
  'mysql://app:secret@db/shop',
  'db:5432/shop',
])('a DATABASE_URL that would be misread is refused without showing it: %s', (DATABASE_URL) => {
  const read = () => readEnvironment({ DATABASE_URL })

  expect(read).toThrow('DATABASE_URL is not a PostgreSQL URL: write postgresql://')
  expect(read).not.toThrow(/se.cret|12.34/)
})

test('a command that needs a database says which variable names it', () => {
  expect(() => databaseOf(readEnvironment({}))).toThrow('DATABASE_URL is not set')
})

test('with DIRECT_DATABASE_URL notifications and migrations go past the pooler of the other one', () => {
  const DATABASE_URL = 'postgresql://app@pooler/shop'
  const DIRECT_DATABASE_URL = 'postgresql://app@db/shop'
  const pooled = readEnvironment({ DATABASE_URL, DIRECT_DATABASE_URL })

  expect(directDatabaseOf(readEnvironment({ DATABASE_URL }))).toEqual({
    connectionString: DATABASE_URL,
  })
  expect(databaseOf(pooled)).toEqual({ connectionString: DATABASE_URL })
  expect(directDatabaseOf(pooled)).toEqual({ connectionString: DIRECT_DATABASE_URL })
})
