import type { NamedFinding } from './finding.ts'

/** What is wrong, and what mends it: a command, or what a person has to look at. */
export type Explained = { what: string; mend: string; isCommand: boolean }

/** A finding in words for a terminal or a page; names are as they came. */
export function explainFinding(finding: NamedFinding): Explained {
  const { kind, target, messageId } = finding
  switch (kind) {
    case 'order-without-message':
      return command(
        'its order.placed is neither waiting nor relayed',
        `orderwheel verify --repair --only ${kind} (it stays if it may have been told: then look into its targets, and insert into orderwheel.outbox (order_id, kind) values ('${finding.orderId}', 'order.placed'))`,
      )
    case 'message-missing':
      return seen(
        `its message ${messageId} is gone, and with it what was to be told`,
        `restore it from a backup, or tell the targets by hand; then ${forget(finding)}`,
      )
    case 'delivery-missing':
      if (target === null)
        return seen(
          'it has no delivery, and the version that relayed it did not write down where it was routed',
          `if it was routed nowhere: update orderwheel.messages set targets = '{}' where id = '${messageId}'`,
        )
      return command(
        `it was routed to ${target}, and has no delivery there`,
        `orderwheel verify --repair --only ${kind} (it stays if a later message of the order may have been told there: then look into ${target}, and to decide about it: insert into orderwheel.deliveries (message_id, target, position, order_id, state, settled_at) select id, '${target}', position, order_id, 'uncertain', now() from orderwheel.messages where id = '${messageId}', then orderwheel order ${which(finding)} --mark-delivered --target ${target}, or --skip, or --try-again)`,
      )
    case 'job-missing':
      return mended('it is to be told, and has no job', finding)
    case 'letter-missing':
      return mended('it was given up, and has no dead letter', finding)
    case 'attempt-missing':
      return seen(
        'it counts as delivered, and no attempt says so',
        `look into ${target}; to decide about it: update orderwheel.deliveries set state = 'uncertain' where message_id = '${messageId}' and target = '${target}', then orderwheel ${which(finding)} --mark-delivered --target ${target}, or --try-again`,
      )
    case 'message-refused':
      return command('the relay cannot relay it', `orderwheel ${which(finding)}`)
    case 'message-late':
      return seen(
        'it is not relayed: none is, or it was passed over',
        'start a relay: orderwheel relay; if one runs, its log says why; one that is held for a payment which is known, orderwheel verify --repair relays',
      )
    case 'payment-unknown':
      return command(
        'nobody knows whether it was charged',
        `orderwheel order ${which(finding)} (it says what the gateway answers; a relay asks it again)`,
      )
    case 'waiting-for-nothing':
      return mended('it waits, and nothing is left to wait for', finding)
    case 'job-silent':
      return seen(
        'its worker went silent, and nobody has taken it back',
        `start a worker that takes ${target}: orderwheel worker --target ${target}`,
      )
    case 'job-overtaken':
      return command('others that came much later are being called', `orderwheel ${which(finding)}`)
    case 'target-idle':
      return seen(
        'deliveries are due, and nobody calls it',
        `start a worker that takes it: orderwheel worker --target ${target}`,
      )
    case 'not-awaited':
      return mended('what it waits for does not know, and would not release it', finding)
    case 'delivery-not-routed':
      return seen(
        `it was not routed to ${target}`,
        `nothing, if somebody added it; or: update orderwheel.messages set targets = targets || '${target}' where id = '${messageId}'`,
      )
    case 'job-without-delivery':
      return mended('its job has no open delivery', finding)
    case 'letter-without-death':
      return mended('its dead letter is open, and it is not dead', finding)
    default:
      return kind satisfies never
  }
}

function mended(what: string, { kind }: NamedFinding): Explained {
  return command(what, `orderwheel verify --repair --only ${kind}`)
}

function command(what: string, mend: string): Explained {
  return { what, mend, isCommand: true }
}

function seen(what: string, mend: string): Explained {
  return { what, mend, isCommand: false }
}

function which({ order, orderId, messageId }: NamedFinding): string {
  // It is about no order.
  if (orderId !== null && orderId === messageId) return `message ${messageId}`
  return `order ${order ?? orderId ?? ''}`
}

function forget({ messageId }: NamedFinding): string {
  return `delete from orderwheel.deliveries where message_id = '${messageId}' and settled_at is null; delete from orderwheel.verify_pending where id = '${messageId}'`
}
