import { printable } from '#base/printable.ts'
import type { Finding } from '#doctor/finding.ts'
import type { DoctorReport } from '#doctor/run-doctor.ts'

/** Findings with what mends each, then what could not be seen and what was found well. */
export function describeDiagnosis({ findings, well, unseen }: DoctorReport): string {
  const blocks = [
    ...findings.map(describeFinding),
    ...(unseen.length === 0
      ? []
      : [['Could not be looked at:', ...unseen.map((one) => line(one.subject, one.reason))]]),
    ...(well.length === 0 ? [] : [['Examined and found well:', ...well.map((one) => `  ${one}`)]]),
    [findings.length === 0 ? 'Nothing is wrong.' : count(findings)],
  ]
  return blocks.map((lines) => lines.map(printable).join('\n')).join('\n\n')
}

function describeFinding({ kind, severity, what, why, fix }: Finding): string[] {
  const [first = '', ...more] = fix.trim().split('\n')
  return [
    `${severity}: ${what} [${kind}]`,
    `  Why:  ${why}`,
    `  Fix:  ${first}`,
    ...more.map((text) => `        ${text}`),
  ]
}

function line(subject: string, reason: string): string {
  return `  ${subject}: ${reason}`
}

function count(findings: readonly Finding[]): string {
  const errors = findings.filter(({ severity }) => severity === 'error').length
  const warnings = findings.length - errors
  return `${errors} ${errors === 1 ? 'error' : 'errors'}, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}.`
}
