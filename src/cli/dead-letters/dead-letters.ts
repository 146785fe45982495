import { groupCommands } from '#cli/command-group.ts'

import { discard } from './discard-command.ts'
import { groups } from './group-letters.ts'
import { hold, release } from './hold-letters.ts'
import { list } from './list-letters.ts'
import { replay } from './replay-command.ts'
import { request } from './request-command.ts'
import { show } from './show-letter.ts'

export const deadLetters = groupCommands({
  name: 'dead-letters',
  summary: 'Deliveries that were given up: lists, replays or discards them',
  actions: { list, show, groups, replay, discard, request, hold, release },
})
