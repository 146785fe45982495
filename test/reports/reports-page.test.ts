import { readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

import { mostInPdf, mostKeptBytes, mostWaiting } from '#reports/ask-for-report.ts'
import { longestPeriodDays } from '#reports/received-within.ts'
import { columns } from '#reports/report-columns.ts'
import { createReportsTarget } from '#targets/reports-target.ts'

const page = readFileSync(new URL('../../docs/reports.md', import.meta.url), 'utf8')

test('the page of reports names every column in its order, and the limits that hold', () => {
  const [, table = ''] = /\| column .*?\n\| -.*?\n(.*?)\n\n/s.exec(page) ?? []
  const named = table
    .split('\n')
    .flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name))
  expect(named).toEqual(columns.map(({ name }) => name))
  expect(page).toContain(`more than ${longestPeriodDays} days`)
  expect(page).toContain(
    `more than ${mostInPdf.toLocaleString('fr').replaceAll(/\s/g, ' ')} orders`,
  )
  expect(page).toContain(`more than ${mostWaiting} reports`)
  expect(page).toContain(`take ${mostKeptBytes / 1_073_741_824} GiB`)
  expect(page).toContain(`${createReportsTarget().retry.attempts} attempts`)
})
