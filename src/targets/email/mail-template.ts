import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { Liquid, type Template } from 'liquidjs'

import type { Languages, OrderView } from '#targets/describe-order.ts'
import { messageOf } from '#targets/read-outcome.ts'

export type MailTemplate = {
  subject: Parsed
  html: Parsed
  text: Parsed
  languages: Languages
}

type Parsed = { engine: Liquid; templates: Template[] }

const shippedTemplates = join(import.meta.dirname, 'templates')

/**
 * Reads and parses a template: from `ownDirectory` if it is there, else of the shipped ones.
 * Throws an Error that says what is missing or where the syntax is wrong.
 */
export function loadTemplate(name: string, ownDirectory: string | undefined): MailTemplate {
  const directory = findDirectory(name, ownDirectory)
  return {
    subject: parse(directory, 'subject', { escape: false }),
    html: parse(directory, 'html', { escape: true }),
    text: parse(directory, 'text', { escape: false }),
    languages: readLanguages(directory),
  }
}

/** The three parts of a mail. Throws when the template cannot be rendered for this order. */
export async function renderTemplate({ subject, html, text }: MailTemplate, view: OrderView) {
  const render = async ({ engine, templates }: Parsed) =>
    (await engine.render(templates, view)) as string
  return {
    subject: (await render(subject)).trim(),
    html: await render(html),
    text: await render(text),
  }
}

function findDirectory(name: string, ownDirectory: string | undefined): string {
  const places = [...(ownDirectory === undefined ? [] : [ownDirectory]), shippedTemplates]
  const found = places
    // A name, not a way out of the directory.
    .filter(() => /^[A-Za-z0-9_-]+$/.test(name))
    .map((place) => join(place, name))
    .find((directory) => existsSync(directory))
  if (found) return found
  const names = places.flatMap((place) => (existsSync(place) ? readdirSync(place) : []))
  throw new Error(`there is no template ${name}; there are: ${[...new Set(names)].join(', ')}`)
}

function parse(directory: string, part: string, { escape }: { escape: boolean }): Parsed {
  const path = join(directory, `${part}.liquid`)
  if (!existsSync(path)) throw new Error(`${path} is missing`)
  const engine = new Liquid({
    root: directory,
    extname: '.liquid',
    cache: true,
    // What an order says is text, never markup.
    ...(escape ? { outputEscape: 'escape' as const } : {}),
    strictFilters: true,
    ownPropertyOnly: true,
  })
  try {
    return { engine, templates: engine.parse(readFileSync(path, 'utf8'), path) }
  } catch (error) {
    throw new Error(`${path} cannot be read as Liquid: ${messageOf(error)}`, { cause: error })
  }
}

/** `strings.de.json` holds the words of German. */
function readLanguages(directory: string): Languages {
  const languages = new Map<string, Record<string, string>>()
  for (const file of readdirSync(directory)) {
    const [, language] = /^strings\.([a-z]{2,3})\.json$/.exec(file) ?? []
    if (!language) continue
    const path = join(directory, file)
    try {
      languages.set(language, JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>)
    } catch (error) {
      throw new Error(`${path} cannot be read as JSON: ${messageOf(error)}`, { cause: error })
    }
  }
  return languages
}
