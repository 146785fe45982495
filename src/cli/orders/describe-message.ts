import { printable } from '#base/printable.ts'
import type { TargetLimits } from '#limits/read-limits.ts'
import type { MessageStory } from '#orders/read-message.ts'
import type { TimelineEntry } from '#status/read-timeline.ts'

import { describeEntry } from './describe-order.ts'
import { describeRest } from './describe-rest.ts'
import type { Subject } from './subject.ts'

type Story = Omit<MessageStory, 'deliveries'> & Subject & { timeline: TimelineEntry[] }

/** What became of a message: who was told, and what is still to come. */
export function describeMessage(
  story: Story,
  calling: { at: Date; targets: readonly TargetLimits[] },
): string {
  const { kind, id, state, externalId, deliveries } = story
  const width = Math.max(0, ...deliveries.map(({ target }) => target.length))
  const rest = deliveries.flatMap((delivery) => {
    const what = describeRest(delivery, story, calling)
    return what === '' ? [] : [`${delivery.target} ${what}`]
  })
  const told =
    externalId === null
      ? story.timeline.flatMap((entry) =>
          describeEntry(entry, { deliveries: [...deliveries] }, width),
        )
      : deliveries.map((one) => `${one.target.padEnd(width)}  ${one.state}`)
  return [
    `Message ${kind} (${id}): ${state}`,
    externalId === null
      ? 'It is about no order.'
      : `About order ${externalId}; what else happened to it: orderwheel order ${externalId}`,
    '',
    ...told,
    ...(story.refusal === null || externalId === null ? [] : [`not relayed: ${story.refusal}`]),
    ...(story.refusal === null ? [] : ['', afterRefusal(id)]),
    ...(rest.length === 0 ? [] : ['', ...rest]),
  ]
    .map((line) => printable(line.replace(`not relayed: Message ${id}: `, 'not relayed: ')))
    .join('\n')
}

/** What doctor says of all of them. */
function afterRefusal(id: string): string {
  return `Mend the configuration or deploy the version that knows the kind: it is tried again by itself. If it is wrong itself: delete from orderwheel.outbox where id = '${id}';`
}
