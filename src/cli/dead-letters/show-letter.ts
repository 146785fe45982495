import { OrderwheelError } from '#base/errors.ts'
import { printableJson } from '#base/printable.ts'
import { type Command, defineCommand, usageError } from '#cli/command.ts'
import { isUuid } from '#cli/orders/read-story.ts'
import { withDatabase } from '#cli/with-database.ts'
import { readLetter } from '#dead-letters/read-letter.ts'

import { describeLetter } from './describe-letter.ts'

const name = 'dead-letters show'

export const show: Command = defineCommand({
  name,
  summary:
    'Tells everything about one dead letter: every attempt and answer, who closed it and why',
  usage: '<id> [--json]',
  positionals: { least: 1, most: 1, missing: 'which dead letter? Give its id' },
  options: { json: { type: 'boolean', summary: 'For programs' } },
  async run({ values, positionals: [id = ''] }, { environment, print }) {
    if (!isUuid(id))
      throw usageError(name, `"${id}" is no id of a dead letter: see orderwheel dead-letters list`)
    const letter = await withDatabase(environment, ({ db }) => readLetter(db, id))
    if (!letter) throw new OrderwheelError('not-found', `There is no dead letter ${id}.`)
    print(values.json ? printableJson(letter) : describeLetter(letter))
    return 0
  },
})
