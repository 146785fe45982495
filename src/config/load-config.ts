import { existsSync, statSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

import { OrderwheelError } from '#base/errors.ts'

import { checkConfig, type Config } from './check-config.ts'
import type { Environment } from './fill-in-environment.ts'

/**
 * Reads and checks a configuration file. Throws OrderwheelError `config` with a sentence for a file that is
 * missing or does not load, or with every mistake in it.
 */
export async function loadConfig({
  path,
  environment,
}: {
  path: string
  environment: Environment
}): Promise<Config> {
  const definition = await importDefinition(path)
  return checkConfig(definition, { file: path, environment, directory: dirname(resolve(path)) })
}

/** What the file exports by default, unchecked: for listing what it names. Throws like `loadConfig`. */
export async function importDefinition(path: string): Promise<unknown> {
  const mistake = findPathMistake(path)
  if (mistake !== undefined) throw new OrderwheelError('config', mistake)
  const hooks = registerHooks({ resolve: resolveOrderwheel })
  try {
    const module: unknown = await import(pathToFileURL(resolve(path)).href)
    return (module as { default?: unknown }).default
  } catch (error) {
    throw new OrderwheelError('config', sayLoadError(path, error), { cause: error })
  } finally {
    hooks.deregister()
  }
}

const extensions = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs']

function findPathMistake(path: string): string | undefined {
  if (!existsSync(path)) {
    return (
      `There is no configuration file ${path}. Set ORDERWHEEL_CONFIG to where it is, ` +
      'or copy orderwheel.config.ts from the repository.'
    )
  }
  if (statSync(path).isDirectory()) {
    const example = join(path, 'orderwheel.config.ts')
    return `${path} is a folder. Set ORDERWHEEL_CONFIG to the configuration file itself, for example ${example}.`
  }
  return extensions.includes(extname(path))
    ? undefined
    : `${path} is no TypeScript or JavaScript file (${extensions.join(', ')}). Set ORDERWHEEL_CONFIG to one that exports defineConfig({ targets, routes }) by default.`
}

/** `import … from 'orderwheel'` works in a file that lies outside this package, as one mounted into a container. */
const resolveOrderwheel: Parameters<typeof registerHooks>[0]['resolve'] = (
  specifier,
  context,
  next,
) => {
  if (specifier !== 'orderwheel') return next(specifier, context)
  return { url: new URL('index.ts', import.meta.url).href, shortCircuit: true }
}

function sayLoadError(path: string, error: unknown): string {
  if (!(error instanceof Error)) return `${path} does not load: it threw ${String(error)}`
  // Node says where in the stack: `/shop/orderwheel.config.ts:3`, syntax errors included.
  const [, place = ''] = (error.stack ?? '').split(`${basename(path)}:`)
  const [number] = /^\d+/.exec(place) ?? []
  const line = number ? ` (line ${number})` : ''
  return `${path} does not load${line}: ${error.message.trim()}`
}
