import { defineCommand } from '#cli/command.ts'

import { printRequest } from './edit-letter.ts'

/** What a dead letter's target would be sent. */
export const request = defineCommand({
  name: 'dead-letters request',
  summary: 'Prints what one letter’s target would be sent, for --edit-file',
  usage: '<id> [--json]',
  positionals: { least: 1, most: 1, missing: 'which? Give the id of a dead letter' },
  options: { json: { type: 'boolean', summary: 'For programs' } },
  run: ({ values, positionals: [id = ''] }, context) =>
    printRequest({ command: 'dead-letters request', id, json: values.json ?? false }, context),
})
