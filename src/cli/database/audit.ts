import { groupCommands } from '#cli/command-group.ts'

import { list } from './audit-list.ts'
import { verify } from './audit-verify.ts'

export const audit = groupCommands({
  name: 'audit',
  summary: 'What people did, and the proof that nobody touched the record of it',
  actions: { verify, list },
})
