import { suggestName } from '#base/suggest-name.ts'

import { type Command, usageError } from './command.ts'

type Group = {
  name: string
  /** A sentence for the list of commands. */
  summary: string
  /** By the word that follows the name. */
  actions: Readonly<Record<string, Command>>
  /** The action when no word follows. */
  usual?: string
}

/** A command of several actions, each with options and a help of its own: `orderwheel replays show …`. */
export function groupCommands({ name, summary, actions, usual }: Group): Command {
  const names = Object.keys(actions)
  const choose = (word: string | undefined) => {
    const isAction = word !== undefined && !word.startsWith('-')
    const chosen = isAction ? word : usual
    return chosen !== undefined && Object.hasOwn(actions, chosen) ? actions[chosen] : undefined
  }
  return {
    name,
    summary,
    help: describe({ name, summary, actions }),
    helpOf: ([word]) => (word === undefined ? undefined : actions[word]?.help),
    async run([word, ...rest], context) {
      const action = choose(word)
      if (action) {
        const isNamed = word !== undefined && !word.startsWith('-')
        const args = isNamed || word === undefined ? rest : [word, ...rest]
        return action.run(args, context)
      }
      throw usageError(
        name,
        word === undefined || word.startsWith('-')
          ? `what to do? Say ${names.join(', ')}`
          : `it does not know "${word}"${suggestName(word, names) || `: say ${names.join(', ')}`}`,
      )
    },
  }
}

function describe({ name, summary, actions }: Omit<Group, 'usual'>): string {
  const width = Math.max(...Object.keys(actions).map((action) => action.length))
  return [
    summary,
    '',
    `Usage: orderwheel ${name} <action>`,
    '',
    ...Object.entries(actions).map(
      ([action, command]) => `  ${action.padEnd(width)}  ${command.summary}`,
    ),
    '',
    `orderwheel ${name} <action> --help says more.`,
  ].join('\n')
}
