import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

import { expect, onTestFinished, test } from 'vitest'

import { email, type EmailOptions } from '#targets/email/email.ts'
import type { OtherDelivery, OrderToTell } from '#targets/target.ts'

import { createDeadline } from './support/create-deadline.ts'
import { createTarget } from './support/create-target.ts'
import { exampleCall } from './support/example-call.ts'
import { smtpError, startMailServer } from './support/start-mail-server.ts'
import { freePort } from './support/start-receiver.ts'

test('the customer gets a confirmation in German, with amounts and dates as Germans write them', async () => {
  const server = await startMailServer()
  const call = exampleCall()
  expect(await confirmation(server.url).call(call)).toEqual({
    kind: 'delivered',
    answer: {
      status: 250,
      text: expect.stringContaining('2.0.0 kept') as string,
      value: { messageId: '<0199ad5e-6c20-7b11-8b1e-6f0a6a3b2c02-erp@shop.example>' },
    },
  })
  const [mail] = server.mails
  expect(mail?.subject).toBe('Bestellbestätigung WEB-10042')
  expect(mail?.from?.text).toBe('"Demo Shop" <orders@shop.example>')
  expect([mail?.to].flat()[0]?.text).toBe('"Ada Lovelace" <ada@example.com>')
  expect(mail?.messageId).toBe('<0199ad5e-6c20-7b11-8b1e-6f0a6a3b2c02-erp@shop.example>')
  expect(mail?.headers.get('auto-submitted')).toBe('auto-generated')
  for (const text of [mail?.text ?? '', plain(mail?.html)]) {
    const words = oneSpace(text)
    expect(words).toContain('22. November 2026')
    expect(words).toContain('iPod nano, green')
    expect(words).toContain('Artikelnummer: IPOD-GREEN')
    expect(words).toContain('engraving: Happy')
    expect(words).toContain('199,00 €')
    expect(words).toContain('398,00 €')
    expect(words).toMatch(/Rabatt auf Artikel:? -5,00 €/)
    expect(words).toMatch(/Rabatt TENOFF:? -10,00 €/)
    expect(words).toMatch(/Versand \(DHL\):? 4,90 €/)
    expect(words).toMatch(/Steuer:? 75,60 €/)
    expect(words).toMatch(/Gesamtbetrag:? 463,50 €/)
    expect(words).toContain('Hauptstraße 1')
    expect(words).toContain('10115 Berlin')
    expect(words).toContain('Deutschland')
  }
})

test.each([
  ['JPY', 'ja-JP', /Total:? ¥46,350/u],
  ['KWD', 'en-US', /Total:? KWD 46\.350/u],
  ['USD', 'en-US', /Total:? \$463\.50/u],
  ['IQD', 'en-US', /Total:? IQD 46\.350/u],
  ['EUR', 'xx-YY', /Total:? €463\.50/u],
  ['EUR', 'c', /Total:? €463\.50/u],
  ['EUR', null, /Total:? €463\.50/u],
])('amounts in %s for the locale %s', async (currency, locale, total) => {
  const server = await startMailServer()
  const { order } = exampleCall()
  const changed = { ...order, currency, customer: { ...order.customer, locale } }
  await confirmation(server.url).call(exampleCall({ order: changed }))
  expect(oneSpace(server.mails[0]?.text ?? '').replaceAll('￥', '¥')).toMatch(total)
})

test('taxes that are in the prices are not added a second time', async () => {
  const server = await startMailServer()
  const order = { ...exampleCall().order, pricesIncludeTax: true }
  await confirmation(server.url).call(exampleCall({ order }))
  const text = oneSpace(server.mails[0]?.text ?? '')
  expect(text).toContain('Enthaltene Steuer: 75,60 €')
  expect(text).not.toContain('€ Steuer: ')
})

test('what an order says is text in the mail, never markup and never a header', async () => {
  const server = await startMailServer()
  const { order } = exampleCall()
  const evil: OrderToTell = {
    ...order,
    customer: { ...order.customer, name: 'Eve\r\nBcc: all@example.com\r\n\r\n<b>' },
    items: order.items.map((item) => ({
      ...item,
      title: '<script>alert(1)</script>{{ order.id }}',
      attributes: { '<i>': '"&' },
    })),
    note: 'first <b>line</b>\nsecond',
  }
  const target = confirmation(server.url, { to: ({ order }) => order.customer.email })
  await target.call(exampleCall({ order: evil }))
  await confirmation(server.url).call(exampleCall({ order: evil }))
  expect(server.sources).toHaveLength(2)
  for (const source of server.sources) {
    const [headers = ''] = source.split('\r\n\r\n')
    expect(headers).not.toMatch(/^Bcc:/im)
  }
  const html = server.mails[1]?.html || ''
  expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;{{ order.id }}')
  expect(html).toContain('&lt;i&gt;: &#34;&amp;')
  expect(html).toMatch(/first &lt;b&gt;line&lt;\/b&gt;<br ?\/>\nsecond/)
  expect(html).not.toMatch(/<script|<b>|<i>/)
})

test('a customer who was told of an order reads that it is cancelled, in their language', async () => {
  const server = await startMailServer()
  const target = confirmation(server.url, { cancelledTemplate: 'order-cancellation' })
  const { message } = exampleCall()
  await target.call(exampleCall())
  await target.call(exampleCall({ message: { ...message, kind: 'order.cancelled' } }))
  expect(server.mails.map(({ subject }) => subject)).toEqual([
    'Bestellbestätigung WEB-10042',
    'Ihre Bestellung wurde storniert: WEB-10042',
  ])
  const cancelled = server.mails[1]
  for (const said of [cancelled?.text, cancelled?.html])
    expect(said).toContain('Ihre Bestellung wurde storniert. Was Sie dafür bezahlt haben')
  expect(cancelled?.text).not.toContain('Vielen Dank')
})

test('a mail takes along what targets before it made, also when an operator wrote it anew', async () => {
  const server = await startMailServer()
  const target = confirmation(server.url, { after: ['receipt'], attach: ['receipt'] })
  const bytes = Uint8Array.from({ length: 100_000 }, (_, n) => (n * 7) % 251)
  const made = { name: 'receipt-WEB-10042.pdf', contentType: 'application/pdf', bytes }
  const file = async (name: string) => (name === 'receipt' ? made : undefined)
  const edited = { to: 'ada@example.com', subject: 'S', text: 'T', html: '<p>T</p>' }
  const standing = standsAs('delivered', { hasFile: true })
  await target.call(exampleCall({ file, standing }))
  await target.call(exampleCall({ file, standing, edited }))
  expect(server.mails.map(({ subject }) => subject)).toEqual(['Bestellbestätigung WEB-10042', 'S'])
  for (const { attachments, text } of server.mails) {
    expect(text).not.toBe('')
    expect(attachments).toMatchObject([
      { filename: 'receipt-WEB-10042.pdf', contentType: 'application/pdf', size: 100_000 },
    ])
    expect(attachments[0]?.content.equals(bytes)).toBe(true)
  }
})

test.each(['waiting', 'queued', 'active', 'retrying', 'dead', 'uncertain'])(
  'a mail whose attachment is still to come, its delivery is %s, waits, and nothing is sent',
  async (state) => {
    const server = await startMailServer()
    const target = confirmation(server.url, { after: ['receipt'], attach: ['receipt'] })
    expect(await target.call(exampleCall({ standing: standsAs(state) }))).toEqual({
      kind: 'try-again',
      reason: `not sent: the file of receipt is still to come, it is ${state}`,
    })
    expect(server.mails).toEqual([])
  },
)

test.each([
  ['skipped', {}, 'was skipped'],
  ['shed', {}, 'was shed'],
  ['cancelled', {}, 'was withdrawn'],
  ['delivered', {}, 'made none'],
  ['waiting', { isAfterThis: true }, 'waits for this mail'],
])(
  'a mail whose attachment will never come, its delivery is %s, is sent without, and says so',
  async (state, more, why) => {
    const server = await startMailServer()
    const target = confirmation(server.url, { after: ['receipt'], attach: ['receipt'] })
    const standing = standsAs(state, more)
    // What was made of what happened to the order before says something else.
    const bytes = new Uint8Array(10)
    const file = async () => ({ name: 'r.pdf', contentType: 'application/pdf', bytes })
    expect(await target.call(exampleCall({ standing, file }))).toMatchObject({
      kind: 'delivered',
      reason: `sent without the file of receipt, which ${why}`,
      answer: { status: 250 },
    })
    expect(server.mails).toMatchObject([
      { subject: 'Bestellbestätigung WEB-10042', attachments: [] },
    ])
  },
)

test('of several attachments, a mail takes those that were made', async () => {
  const server = await startMailServer()
  const attach = ['label', 'receipt', 'terms']
  const target = confirmation(server.url, { after: attach, attach })
  // Nobody is told of the mail's message but the label's target: the receipt was made of the order before.
  const bytes = new Uint8Array(10)
  const file = async (name: string) =>
    name === 'receipt' ? { name: 'r.pdf', contentType: 'application/pdf', bytes } : undefined
  const call = exampleCall({ file, standing: standsAs('skipped', { target: 'label' }) })
  expect(await target.call(call)).toMatchObject({
    kind: 'delivered',
    reason:
      'sent without the file of label, which was skipped; sent without the file of terms, which was not told of this',
  })
  expect(server.mails[0]?.attachments).toMatchObject([{ filename: 'r.pdf' }])
})

test('a mail that is larger with its attachment than the server takes is given up', async () => {
  const server = await startMailServer({ size: 50_000 })
  const target = confirmation(server.url, { after: ['receipt'], attach: ['receipt'] })
  const bytes = new Uint8Array(100_000)
  const file = async () => ({ name: 'r.pdf', contentType: 'application/pdf', bytes })
  expect(await target.call(exampleCall({ file }))).toMatchObject({ kind: 'give-up' })
  expect(server.mails).toEqual([])
})

test('every attempt has the same Message-ID', async () => {
  const server = await startMailServer()
  const target = confirmation(server.url)
  await target.call(exampleCall({ attempt: 1 }))
  await target.call(exampleCall({ attempt: 2 }))
  expect(new Set(server.mails.map(({ messageId }) => messageId)).size).toBe(1)
  expect(server.connections()).toBe(1)
})

test('a connection the server has closed meanwhile is replaced', async () => {
  let drop = () => {}
  const server = await startMailServer()
  const relay = await startProxy(server.port, (client) => {
    drop = () => client.destroy()
  })
  const target = confirmation(`smtp://127.0.0.1:${relay}`)
  await target.call(exampleCall())
  drop()
  expect(await target.call(exampleCall())).toMatchObject({ kind: 'delivered' })
  expect(server.mails).toHaveLength(2)
})

test('a recipient refused for good is given up, and the reason does not name the customer', async () => {
  const server = await startMailServer({
    onRcptTo: ({ address }, _session, callback) =>
      callback(smtpError(550, `5.1.1 <${address}>: user unknown`)),
  })
  expect(await confirmation(server.url).call(exampleCall())).toEqual({
    kind: 'give-up',
    reason: 'the mail server answered 550 to RCPT TO',
    answer: { status: 550, text: '550 5.1.1 <ada@example.com>: user unknown', code: '5.1.1' },
  })
})

test('a mail larger than the server takes is given up', async () => {
  const server = await startMailServer({ size: 1_000 })
  expect(await confirmation(server.url).call(exampleCall())).toEqual({
    kind: 'give-up',
    reason: 'the mail server takes no such address or size',
  })
})

test('a recipient refused for now is tried again', async () => {
  const server = await startMailServer({
    onRcptTo: (_address, _session, callback) => callback(smtpError(451, '4.7.1 greylisted')),
  })
  expect(await confirmation(server.url).call(exampleCall())).toMatchObject({
    kind: 'try-again',
    reason: 'the mail server answered 451 to RCPT TO',
    answer: { status: 451 },
  })
})

test('a text refused for good after DATA is given up', async () => {
  const server = await startMailServer({
    onData: (stream, _session, callback) => {
      stream.resume()
      stream.on('end', () => callback(smtpError(554, '5.7.1 looks like spam')))
    },
  })
  expect(await confirmation(server.url).call(exampleCall())).toMatchObject({
    kind: 'give-up',
    reason: 'the mail server answered 554 to DATA',
  })
})

test('a refused login is tried again: the operator mends the password, and the mail goes out', async () => {
  let password = 'old'
  const server = await startMailServer({
    authOptional: false,
    onAuth: (login, _session, callback) =>
      login.password === password
        ? callback(null, { user: 'shop' })
        : callback(smtpError(535, '5.7.8 wrong password')),
  })
  const target = confirmation(server.url.replace('//', '//shop:n%40w@'))
  expect(await target.call(exampleCall())).toMatchObject({
    kind: 'try-again',
    reason: 'the mail server answered 535 to AUTH PLAIN',
  })
  password = 'n@w'
  expect(await target.call(exampleCall())).toMatchObject({ kind: 'delivered' })
})

test.each([550, 553, 554])(
  'a sender refused with %i is tried again: the operator mends the account, and the mail goes out',
  async (status) => {
    let blocked = true
    const server = await startMailServer({
      onMailFrom: (_address, _session, callback) =>
        blocked ? callback(smtpError(status, '5.7.1 account blocked')) : callback(),
    })
    const target = confirmation(server.url)
    expect(await target.call(exampleCall())).toMatchObject({
      kind: 'try-again',
      reason: `the mail server answered ${status} to MAIL FROM`,
    })
    blocked = false
    expect(await target.call(exampleCall())).toMatchObject({ kind: 'delivered' })
  },
)

test('a mail the server finds too large once it hears its size is given up', async () => {
  const server = await startMailServer({
    onMailFrom: (_address, _session, callback) => callback(smtpError(552, '5.3.4 too large')),
  })
  expect(await confirmation(server.url).call(exampleCall())).toMatchObject({ kind: 'give-up' })
})

test('while the mail server is down, nothing was sent and it is tried again', async () => {
  const target = confirmation(`smtp://127.0.0.1:${await freePort()}`)
  expect(await target.call(exampleCall())).toMatchObject({
    kind: 'try-again',
    reason: expect.stringMatching(/^not sent: .*ECONNREFUSED/) as string,
    answer: { code: 'ECONNREFUSED' },
  })
})

test('a server that never greets is left at the deadline', async () => {
  const { signal, pass } = createDeadline()
  const port = await listen(pass)
  const target = confirmation(`smtp://127.0.0.1:${port}`)
  expect(await target.call(exampleCall({ signal }))).toEqual({
    kind: 'try-again',
    reason: 'not sent: out of time',
  })
})

test('a connection lost after the text was sent leaves the outcome unknown', async () => {
  const server = await startMailServer({
    onData: (stream) => {
      stream.resume()
      stream.on('end', () => relayed?.destroy())
    },
  })
  let relayed: Socket | undefined
  const relay = await startProxy(server.port, (client) => {
    relayed = client
  })
  expect(await confirmation(`smtp://127.0.0.1:${relay}`).call(exampleCall())).toMatchObject({
    kind: 'uncertain',
    reason: expect.stringMatching(/^sent, but no reply: /) as string,
  })
})

test('a server that never answers the text leaves the outcome unknown at the deadline', async () => {
  const { signal, pass } = createDeadline()
  const server = await startMailServer({
    onData: (stream) => {
      stream.resume()
      stream.on('end', pass)
    },
  })
  expect(await confirmation(server.url).call(exampleCall({ signal }))).toEqual({
    kind: 'uncertain',
    reason: 'sent, but no reply: out of time',
  })
})

test('a password is not sent to a server on another host that offers no encryption', async () => {
  const logins: unknown[] = []
  const server = await startMailServer({
    onAuth: (login, _session, callback) => {
      logins.push(login)
      callback(null, { user: 'shop' })
    },
  })
  const target = confirmation({
    host: '0.0.0.0', // this host, by an address that does not say so
    port: server.port,
    user: 'shop',
    password: 'secret',
  })
  expect(await target.call(exampleCall())).toMatchObject({ kind: 'try-again' })
  expect(logins).toEqual([])
})

function confirmation(smtp: EmailOptions['smtp'], more: Partial<EmailOptions> = {}) {
  const from = 'Demo Shop <orders@shop.example>'
  return createTarget(
    'confirmation-email',
    email({ template: 'order-confirmation', from, smtp, ...more }),
  )
}

/** Passes everything on to `port`; `onClient` gets each connection, to end it. */
function startProxy(port: number, onClient: (client: Socket) => void): Promise<number> {
  return listen((client) => {
    onClient(client)
    const upstream = connect(port, '127.0.0.1')
    for (const socket of [client, upstream]) socket.on('error', () => {})
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
    client.pipe(upstream).pipe(client)
  })
}

async function listen(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    onConnection(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

function plain(html: string | false | undefined): string {
  return (html || '').replaceAll(/<[^>]*>/g, ' ')
}

/** Intl writes no-break spaces. */
function oneSpace(text: string): string {
  return text.replaceAll(/\s+/g, ' ')
}

/** How the order stands when the delivery of the mail's message to a target is like this. */
function standsAs(state: string, more: Partial<OtherDelivery> = {}) {
  const other = { target: 'receipt', state, hasFile: false, isAfterThis: false, ...more }
  return async () => ({
    isCancelled: false,
    untold: [],
    others: [other],
    isReplayed: false,
    told: [],
  })
}
