import { suggestName } from '#base/suggest-name.ts'

import { type Command, usageError } from './command.ts'

type Group = {
  name: string
  /** A sentence for the list of commands. */
  summary: string
  /** By the word that follows the name; `list` is meant when none does. */
  actions: Readonly<Record<string, Command>> & { list: Command }
}

/** A command of several actions, each with options and a help of its own: `orderwheel replays show …`. */
export function groupCommands({ name, summary, actions }: Group): Command {
  const names = Object.keys(actions)
  return {
    name,
    summary,
    help: describe({ name, summary, actions }),
    helpOf: ([word]) => (word === undefined ? undefined : actions[word]?.help),
    async run(args, context) {
      const [word, ...rest] = args
      if (word === undefined || word.startsWith('-')) return actions.list.run(args, context)
      const action = Object.hasOwn(actions, word) ? actions[word] : undefined
      if (action) return action.run(rest, context)
      throw usageError(
        name,
        `it does not know "${word}"${suggestName(word, names) || `: say ${names.join(', ')}`}`,
      )
    },
  }
}

function describe({ name, summary, actions }: Group): string {
  const width = Math.max(...Object.keys(actions).map((action) => action.length))
  return [
    summary,
    '',
    `Usage: orderwheel ${name} [<action>]`,
    '',
    ...Object.entries(actions).map(
      ([action, command]) => `  ${action.padEnd(width)}  ${command.summary}`,
    ),
    '',
    `Without an action it is list. orderwheel ${name} <action> --help says more.`,
  ].join('\n')
}
