import type { IncomingMessage, ServerResponse } from 'node:http'

import type { TObject } from 'typebox'

import { changeBehaviour } from './change-behaviour.ts'
import { describeChange } from './describe-change.ts'
import { readBody } from './read-body.ts'
import { Refusal } from './refusal.ts'

type Behaving<Behaviour> = {
  name: string
  part: { behaviour: Behaviour }
  schema: TObject
  usual: () => Behaviour
  /** Said with the answer when the name looks like a slip. */
  hint?: string | undefined
}

/**
 * `GET`, `PUT` (only what changes) and `DELETE` (back to the usual) of a behaviour. The answer is the
 * behaviour, beginning with `changed` in words where it was to be changed, and with `hint` if there is one.
 */
export function controlBehaviour<Behaviour extends object>(
  { name, part, schema, usual, hint }: Behaving<Behaviour>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const show = (changed?: string) =>
    showJson(response, {
      ...(changed === undefined ? {} : { changed }),
      ...(hint === undefined ? {} : { hint }),
      ...part.behaviour,
    })
  return byMethod(request, response, {
    GET: () => show(),
    PUT: async () => {
      const change = await readJson(request)
      const before = part.behaviour
      part.behaviour = changeBehaviour(schema, before, change)
      show(describeChange(name, Object(change), { before, after: part.behaviour }))
    },
    DELETE: () => {
      part.behaviour = usual()
      show(`${name}: back to the usual`)
    },
  })
}

/** `GET` and `DELETE` of what was recorded. */
export function controlRecords(
  records: { list(): unknown[]; empty(): void },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  return byMethod(request, response, {
    GET: () => showJson(response, records.list()),
    DELETE: () => {
      records.empty()
      response.writeHead(204).end()
    },
  })
}

async function byMethod(
  request: IncomingMessage,
  response: ServerResponse,
  actions: Record<string, () => void | Promise<void>>,
): Promise<void> {
  const action = actions[request.method ?? '']
  if (!action) {
    const allowed = Object.keys(actions).join(', ')
    response.setHeader('allow', allowed)
    throw new Refusal(405, `${request.url} takes ${allowed}, not ${request.method}.`)
  }
  await action()
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const { text, tooLarge } = await readBody(request)
  if (tooLarge) throw new Refusal(413, 'Send at most 1 MiB.')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Refusal(400, `The body is not JSON: ${String(error)}`)
  }
}

function showJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' })
  // The newline is for a terminal, where the prompt would follow on the same line.
  response.end(`${JSON.stringify(value)}\n`)
}
