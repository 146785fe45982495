import { expect, test } from 'vitest'

import { readEnvironment } from '#base/environment.ts'
import { pause } from '#cli/targets/pause.ts'
import { targets } from '#cli/targets/targets.ts'

const commands = { pause, targets }

// Refused before anything is opened, so without a process for each.
test.each<[[keyof typeof commands, ...string[]], string]>([
  [['pause'], 'which target? Give its name'],
  [['pause', 'erp', '--reason', ' '], '--reason is empty'],
  [['pause', 'erp', '--reason', 'x'.repeat(1_001)], '--reason has 1001 characters'],
  [['pause', 'erp', '--reason', 'x', '--for', '30'], '--for is "30": write a number with s, m, h'],
  [['pause', 'erp', '--reason', 'x', '--for', '0m'], '--for is "0m"'],
  [['pause', 'erp', '--reason', 'x', '--for', '366d'], '--for is "366d"'],
  [
    ['pause', 'erp', '--reason', 'x', '--until', '2026-11-22 14:00'],
    '--until is "2026-11-22 14:00": write a time with its zone',
  ],
  [
    ['pause', 'erp', '--reason', 'x', '--for', '1h', '--until', '2999-01-01T00:00Z'],
    'it takes --for or --until, not both',
  ],
  [['targets', 'lst'], 'it does not know "lst"; did you mean list?'],
  [['targets', 'list', 'erp'], '"erp" is one argument too many'],
  [['targets', '--rate', '1/1'], 'list takes no --rate'],
  [['targets', 'changes'], 'which target? Give its name'],
  [['targets', 'set', 'erp'], 'set needs --concurrency or --rate'],
  [['targets', 'set', 'erp', '--concurrency', '0'], 'to call it not at all: orderwheel pause'],
  [['targets', 'set', 'erp', '--concurrency', '1001'], '--concurrency is "1001"'],
  [['targets', 'set', 'erp', '--rate', '10/0.05'], '--rate is "10/0.05"'],
])(
  'a wrong command line is answered with what would be right: %j',
  async ([name, ...args], answer) => {
    const context = { environment: readEnvironment({}), print: () => {}, warn: () => {} }
    const run = async () => commands[name].run(args, context)

    await expect(run()).rejects.toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining(answer) }),
    )
  },
)
