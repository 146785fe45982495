import { expect, test } from 'vitest'

import { readMail } from '#targets/email/edit-mail.ts'

const mail = { to: 'Ada <ada@example.com>', subject: 'Hi', text: 'Hi', html: '<p>Hi</p>' }

test('a mail that an operator corrected is taken as written', () => {
  expect(readMail(JSON.stringify(mail))).toEqual({ edited: mail })
})

test.for<[string, object, string]>([
  ['without its parts', { to: mail.to, subject: mail.subject }, ': text and html must be there'],
  ['with more than a mail has', { ...mail, cc: mail.to }, ': it has nothing called cc'],
  ['whose subject is a number', { ...mail, subject: 7 }, ': subject must be string'],
])('a mail %s is refused with what is wrong', ([, written, said]) => {
  expect(readMail(JSON.stringify(written))).toEqual({
    mistake: `It must be {to, subject, text, html}${said}`,
  })
})
