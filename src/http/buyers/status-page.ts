import { hash } from 'node:crypto'

import type { BuyerStep } from '#orders/buyer-story.ts'

import { type Language, sayTime, words } from './status-words.ts'

export type StatusPage = {
  number: string
  language: Language
  /** The order's own, for dates. */
  locale: string | null
  steps: readonly [BuyerStep, ...BuyerStep[]]
  /** Where what follows is told; absent when nothing will. */
  events?: string
}

/** Where an order is, for its buyer. Loads nothing; without JavaScript it asks again every 15 s. */
export function statusPage({ number, language, locale, steps, events }: StatusPage): string {
  const said = words[language]
  const now = steps.at(-1) ?? steps[0]
  const items = steps.map(({ state, at }) => stepItem(said[state], sayTime(at, locale), at))
  const live = events === undefined ? '' : ` data-events="${escapeHtml(events)}"`
  return page({
    language,
    title: `${said.order} ${number}`,
    head:
      events === undefined ? '' : '<noscript><meta http-equiv="refresh" content="15"></noscript>',
    main: `<main data-state="${now.state}"${live}>
<p>${said.order} <b>${escapeHtml(number)}</b></p>
<h1 aria-live="polite">${escapeHtml(said[now.state])}</h1>
<ol>${items.join('')}</ol>
</main>`,
    script: events === undefined ? '' : script,
  })
}

/** For a link that is none of ours, and for one whose order was forgotten or deleted: nobody can tell which. */
export function unknownPage(language: Language): string {
  const { unknown, unknownHint } = words[language]
  const main = `<main><h1>${escapeHtml(unknown)}</h1><p>${escapeHtml(unknownHint)}</p></main>`
  return page({ language, title: unknown, head: '', main, script: '' })
}

export function laterPage(language: Language): string {
  const { later, laterHint } = words[language]
  const main = `<main><h1>${escapeHtml(later)}</h1><p>${escapeHtml(laterHint)}</p></main>`
  const head = '<meta http-equiv="refresh" content="5">'
  return page({ language, title: later, head, main, script: '' })
}

type Page = { language: Language; title: string; head: string; main: string; script: string }

function page({ language, title, head, main, script }: Page): string {
  return `<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<meta name="referrer" content="no-referrer">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
${head}
</head>
<body>
${main}
${script === '' ? '' : `<script>${script}</script>`}
</body>
</html>
`
}

function stepItem(text: string, when: string, at: string): string {
  return `<li>${escapeHtml(text)} <time datetime="${escapeHtml(at)}">${escapeHtml(when)}</time></li>`
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? '&#39;')
}

const style = `
:root { color-scheme: light dark }
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif }
main { max-width: 32rem; margin: 3rem auto; padding: 0 1.5rem }
h1 { margin: 0 0 1.5rem; font-size: 2rem; line-height: 1.2 }
p { margin: 0 0 .5rem }
ol { margin: 0; padding: 0; list-style: none; border-top: 1px solid #8886 }
li { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; padding: .6rem 0; border-bottom: 1px solid #8886 }
time { opacity: .7 }
`

// Texts are set as text. Each event says what the server would have written.
const script = `
const main = document.querySelector('main')
const events = new EventSource(main.dataset.events)
events.addEventListener('status', ({ data }) => {
  const { state, text, at, when } = JSON.parse(data)
  main.dataset.state = state
  main.querySelector('h1').textContent = text
  const time = document.createElement('time')
  time.dateTime = at
  time.textContent = when
  const item = document.createElement('li')
  item.append(text + ' ', time)
  main.querySelector('ol').append(item)
})
events.addEventListener('end', () => events.close())
`

/** Nothing but what the page brings along, and its own events. */
export const statusPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${hash('sha256', style, 'base64')}'`,
  `script-src 'sha256-${hash('sha256', script, 'base64')}'`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')
