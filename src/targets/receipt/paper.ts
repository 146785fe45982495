/** A4, in points (1/72 inch). */
export const paper = { width: 595.28, height: 841.89, left: 50, right: 545.28, top: 48 }

export const colors = { ink: '#1c1c1a', quiet: '#6b6b66', line: '#dededa', alarm: '#b3261e' }

/** How a text looks. `leading` is the height of its line, in points. */
export type Style = { font: 'regular' | 'bold'; size: number; leading: number; color: string }

export const styles = {
  title: { font: 'bold', size: 22, leading: 30, color: colors.ink },
  seller: { font: 'bold', size: 11, leading: 16, color: colors.ink },
  body: { font: 'regular', size: 9, leading: 13, color: colors.ink },
  strong: { font: 'bold', size: 9, leading: 13, color: colors.ink },
  quiet: { font: 'regular', size: 8, leading: 11.5, color: colors.quiet },
  label: { font: 'bold', size: 7.5, leading: 12, color: colors.quiet },
  total: { font: 'bold', size: 12, leading: 18, color: colors.ink },
  alarm: { font: 'bold', size: 10, leading: 15, color: colors.alarm },
  stamp: { font: 'bold', size: 84, leading: 100, color: colors.alarm },
} as const satisfies Record<string, Style>
