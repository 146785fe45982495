import {
  createServer,
  STATUS_CODES,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'

import { distance } from 'fastest-levenshtein'

import type { Log } from '#base/log.ts'

import {
  MailboxBehaviour,
  TargetBehaviour,
  usualLatenciesMs,
  usualMailboxBehaviour,
  usualTargetBehaviour,
} from './behaviour.ts'
import { createCardGateway } from './card-gateway.ts'
import { controlBehaviour, controlRecords } from './control-requests.ts'
import { describeSimulator } from './describe-simulator.ts'
import { Refusal } from './refusal.ts'
import type { SimulatedMailServer } from './simulated-mail-server.ts'
import { SimulatedTarget } from './simulated-target.ts'
import type { Wait } from './wait.ts'

/** More than a shop has; a mistyped loop must not fill the memory. */
const maxTargets = 1_000

/**
 * The HTTP side: every `/<target>/…` is a call to be taken, but `/<target>/calls`, `/<target>/behaviour`,
 * `/mailbox` and `/`, which are for the person who runs the simulator.
 */
export function createTargetsServer(mail: SimulatedMailServer, wait: Wait, log: Log): Server {
  const targets = new Map<string, SimulatedTarget>()
  // Clients decide how long they send; Orderwheel's own deadlines are what is to be tried here.
  const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    answer(request, response).catch((error: unknown) => fail(response, error, log))
  })
  return server

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').split('?')[0] ?? ''
    const [name = '', ...rest] = path.slice(1).split('/')
    const control = rest.join('/')
    if (path === '/') return describe(request, response)
    if (name === 'mailbox' && control === '') return controlRecords(mail.mailbox, request, response)
    if (control === 'behaviour' && (name === 'mailbox' || name === toldOverSmtp)) {
      const usual = usualMailboxBehaviour
      const part = { name, part: mail, schema: MailboxBehaviour, usual }
      return controlBehaviour(part, request, response)
    }
    const target = targetNamed(name)
    if (control === 'calls') return controlRecords(target.calls, request, response)
    if (control === 'behaviour') {
      const usual = () => usualTargetBehaviour(name)
      const part = { name, part: target, schema: TargetBehaviour, usual, hint: hintOf(target) }
      return controlBehaviour(part, request, response)
    }
    return target.take(request, response)
  }

  function targetNamed(name: string): SimulatedTarget {
    const known = targets.get(name)
    if (known) return known
    if (name === 'mailbox' || !/^[a-z0-9][a-z0-9-]{0,39}$/.test(name)) {
      throw new Refusal(
        404,
        `Nothing here. GET / says which targets there are and how to use them.`,
      )
    }
    if (targets.size >= maxTargets) {
      throw new Refusal(404, `The simulator plays at most ${maxTargets} targets; restart it.`)
    }
    const play = name === 'payment' ? createCardGateway(wait) : undefined
    const target = new SimulatedTarget(name, wait, play)
    targets.set(name, target)
    return target
  }
}

/** The demo's target whose behaviour is that of the mail server. */
const toldOverSmtp = 'confirmation-email'

/** Any name is a target, so that of a slip is one too: only nobody calls it. */
function hintOf({ name, wasCalled }: SimulatedTarget): string | undefined {
  const usual = ['mailbox', 'payment', ...Object.keys(usualLatenciesMs)]
  if (wasCalled || usual.includes(name)) return undefined
  const near = usual.find((each) => distance(name, each) <= 2)
  return near && `${name} was never called so far; did you mean ${near}?`
}

function describe(request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
  response.end(describeSimulator(request.headers.host ?? '127.0.0.1'))
}

function fail(response: ServerResponse, error: unknown, log: Log): void {
  // The client went away, or the simulator is being stopped: nobody to answer.
  if (response.headersSent || (response.socket?.destroyed ?? true)) return
  const status = error instanceof Refusal ? error.status : 500
  if (status === 500) log.error({ err: error }, 'the simulator failed to answer')
  const detail = error instanceof Error ? error.message : String(error)
  response.writeHead(status, { 'content-type': 'application/problem+json; charset=utf-8' })
  const title = STATUS_CODES[status]
  response.end(`${JSON.stringify({ type: 'about:blank', title, status, detail })}\n`)
}
