export type Metric = {
  name: string
  type: 'gauge' | 'counter'
  help: string
  samples: readonly Sample[]
}

/** A value that is null is not known, and is left out. */
export type Sample = { labels?: Readonly<Record<string, string>>; value: number | null }

/** The media type of the text format, version 0.0.4. */
export const expositionMediaType = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * Metrics in Prometheus's text format (prometheus.io/docs/instrumenting/exposition_formats): in label values a backslash,
 * a double quote and a line feed are escaped; in help texts a backslash and a line feed. Names are ours and need none.
 */
export function writeExposition(metrics: readonly Metric[]): string {
  const lines = metrics.flatMap(({ name, type, help, samples }) => [
    `# HELP ${name} ${escape(help)}`,
    `# TYPE ${name} ${type}`,
    ...samples.flatMap(({ labels = {}, value }) =>
      value === null ? [] : [`${name}${writeLabels(labels)} ${writeValue(value)}`],
    ),
  ])
  return `${lines.join('\n')}\n`
}

function writeLabels(labels: Readonly<Record<string, string>>): string {
  const written = Object.entries(labels).map(
    ([label, value]) => `${label}="${escape(value).replaceAll('"', '\\"')}"`,
  )
  return written.length === 0 ? '' : `{${written.join(',')}}`
}

function escape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function writeValue(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  return String(value)
}
