import { byPlaceInTable } from './scenarios.ts'
import type { SavedResult } from './results.ts'

type Bar = {
  scenario: string
  reference: string
  ratio: number
  atLeast: number
  holds: boolean
  figures: string
}

const width = 860
const rowHeight = 34
const labelWidth = 330
const figuresWidth = 210
const barWidth = width - labelWidth - figuresWidth

/**
 * A row for each comparison: how far our figure lies from what is promised, which is the line in the middle. Ratios from
 * 0.1 to 1 000 times a reference fit no common scale; times the promise they do, by tenfolds.
 */
export function chartSvg(results: readonly SavedResult[]): string {
  const bars = results.toSorted((a, b) => byPlaceInTable(a.scenario, b.scenario)).flatMap(barsOf)
  const height = (bars.length + 2) * rowHeight
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="Orderwheel's speed against its references">
<style>${style}</style>
<rect class="page" width="${width}" height="${height}" rx="6"/>
${text('title', 16, 22, 'Our figure ÷ reference; the line is what is promised')}
${bars.map(row).join('\n')}
<path class="promise" d="M${placeOf(1)} ${rowHeight} V${height - rowHeight + 4}"/>
${text('small', 16, height - 12, describeMachine(results))}
</svg>
`
}

function barsOf(result: SavedResult): Bar[] {
  const { scenario, ratio, atLeast, holds, ours, unit, reference } = result
  const comparisons = result.details.comparisons ?? [
    { reference: 'the limit', figure: reference, ratio, atLeast, holds },
  ]
  return comparisons.map((compared) => ({
    ...compared,
    scenario,
    figures: `${format(ours)} / ${format(compared.figure)} ${unit}`,
  }))
}

function row({ scenario, reference, ratio, atLeast, holds, figures }: Bar, index: number): string {
  const top = (index + 1) * rowHeight
  const end = placeOf(ratio / atLeast)
  const says = `${format(ratio)} × (at least ${format(atLeast)} ×)`
  return [
    text('label', 16, top + 14, scenario),
    text('small', 16, top + 27, `against ${reference}`),
    `<rect class="track" x="${labelWidth}" y="${top + 6}" width="${barWidth}" height="18" rx="3"/>`,
    `<rect class="${holds ? 'holds' : 'fails'}" x="${labelWidth}" y="${top + 6}" width="${end - labelWidth}" height="18" rx="3"/>`,
    text('label', labelWidth + barWidth + 12, top + 14, says),
    text('small', labelWidth + barWidth + 12, top + 27, figures),
  ].join('\n')
}

// A tenth of the promise is the left end, ten times it the right.
function placeOf(timesPromised: number): number {
  const tenfolds = Math.max(-1, Math.min(1, Math.log10(timesPromised)))
  return Math.round(labelWidth + (barWidth * (tenfolds + 1)) / 2)
}

// Colours that keep their contrast on both pages; the reader's own preference decides.
const style = `
text { font: 12px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600; font-size: 13px }
.label { font-weight: 600 } .small { font-size: 10.5px; fill: #59636e }
.page { fill: #ffffff } .track { fill: #eaeef2 } .holds { fill: #2da44e } .fails { fill: #cf222e }
.promise { stroke: #1f2328; stroke-width: 1.5; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .small { fill: #9198a1 } .page { fill: #0d1117 } .track { fill: #262c36 }
.holds { fill: #3fb950 } .fails { fill: #f85149 } .promise { stroke: #e6edf3 } }
`

function describeMachine([result]: readonly SavedResult[]): string {
  if (!result) return 'No results yet.'
  const { hardware, versions, date } = result
  return `${hardware.cpu}, ${hardware.cores} cores, ${hardware.memoryGiB} GiB · Node ${versions['node']} · PostgreSQL ${versions['postgresql']} · ${date} · bar: tenfolds, from 0.1 to 10 times the promise`
}

function text(kind: string, x: number, y: number, content: string): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text class="${kind}" x="${x}" y="${y}">${escaped}</text>`
}

function format(figure: number): string {
  return figure.toLocaleString('en', { maximumSignificantDigits: figure >= 1_000 ? 9 : 3 })
}
