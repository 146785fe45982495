import { Type } from 'typebox'

import { uuid, time, orNull } from '#http/fields.ts'
import type { MessageStory } from '#orders/read-message.ts'

import { DeliveryAnswer, forStorefront, orderPath } from './order-answers.ts'

const nullableUuid = orNull({ type: 'string', format: 'uuid' })

/** The 202 of POST /messages. */
const AddedMessage = Type.Object(
  {
    id: uuid,
    kind: Type.String(),
    orderId: nullableUuid,
    state: Type.String({ enum: ['received'] }),
    createdAt: time,
    links: Type.Object({ self: Type.String() }),
  },
  { $id: 'AddedMessage' },
)

/** The 200 of GET /messages/{id}. */
const MessageAnswer = Type.Object(
  {
    id: uuid,
    kind: Type.String(),
    orderId: nullableUuid,
    externalId: orNull({ type: 'string' }),
    state: Type.String({ enum: ['received', 'processing', 'completed', 'needs-attention'] }),
    createdAt: time,
    relayedAt: orNull({ type: 'string', format: 'date-time' }),
    refusal: orNull({ type: 'string' }),
    deliveries: Type.Array(DeliveryAnswer),
    links: Type.Object({ self: Type.String(), order: Type.Optional(Type.String()) }),
  },
  { $id: 'MessageReport' },
)

/** Named in the OpenAPI file. */
export const messageSchemas = [AddedMessage, MessageAnswer]

export function messageAnswer(told: MessageStory) {
  const { subjectId: _, ...story } = told
  const order = story.orderId === null ? {} : { order: orderPath(story.orderId) }
  const deliveries = story.deliveries.map(forStorefront)
  return { ...story, deliveries, links: { self: messagePath(story.id), ...order } }
}

export function messagePath(id: string): string {
  return `/messages/${id}`
}
