import { expect, test } from 'vitest'

import { findErrorCode } from '#targets/http/find-error-code.ts'

test.each([
  ['a plain code', { code: 'UNKNOWN_SKU' }, 'UNKNOWN_SKU'],
  ['a nested code', { error: { code: 'out-of-stock', message: 'none left' } }, 'out-of-stock'],
  ['OAuth', { error: 'invalid_grant', error_description: 'expired' }, 'invalid_grant'],
  ['JSON:API', { errors: [{ code: 'E17', title: 'no' }] }, 'E17'],
  ['GraphQL', { errors: [{ extensions: { code: 'FORBIDDEN' } }] }, 'FORBIDDEN'],
  ['problem details', { type: 'https://erp.example/problems/unknown-sku' }, 'unknown-sku'],
  [
    'NetSuite',
    {
      type: 'https://www.rfc-editor.org/rfc/rfc9110.html#section-15.5.1',
      'o:errorDetails': [{ detail: 'duplicate', 'o:errorCode': 'IDEMPOTENCY_ERROR' }],
    },
    'IDEMPOTENCY_ERROR',
  ],
  [
    'Odoo',
    { error: { code: 200, data: { name: 'odoo.exceptions.ValidationError' } } },
    'odoo.exceptions.ValidationError',
  ],
  ['Business Central', { error: { code: 'Internal_ServerError' } }, 'Internal_ServerError'],
  ['SAP Business One', { error: { code: -5002, message: { value: 'no' } } }, '-5002'],
  ['ERPNext', { exc_type: 'ValidationError', exception: 'frappe…' }, 'ValidationError'],
  ['Salesforce', [{ errorCode: 'REQUIRED_FIELD_MISSING' }], 'REQUIRED_FIELD_MISSING'],
  ['Google', { error: { code: 422, status: 'INVALID_ARGUMENT' } }, 'INVALID_ARGUMENT'],
  ['Stripe', { error: { type: 'card_error' } }, 'card_error'],
  ['Resend', { statusCode: 422, name: 'validation_error' }, 'validation_error'],
  ['Postmark', { ErrorCode: 406, Message: 'inactive' }, '406'],
  ['Amazon', { __type: 'com.amazon.coral#AccessDenied' }, 'AccessDenied'],
])('the error’s code is found in an answer of %s', (_who, body, code) => {
  expect(findErrorCode(JSON.stringify(body), 422)).toBe(code)
})

test.each([
  ['no JSON', '<html>422</html>'],
  ['half of a JSON', '{"code":"UNK'],
  ['nothing', ''],
  ['a sentence', '{"code":"the sku is unknown"}'],
  ['the status once more', '{"code":422,"error":{"code":"422"}}'],
  ['the id of one request', '{"code":"0199c7b2-6f0e-7c3a-9d43-2f1f5a1d9b10"}'],
  ['a number of one order', '{"code":1000000042}'],
  ['65 characters', `{"code":"${'A'.repeat(65)}"}`],
  ['a NUL', '{"code":"A\\u0000"}'],
  ['null', '{"error":null,"errors":[null],"code":{}}'],
  ['errors by field', '{"errors":{"sku":["unknown"]}}'],
  ['a problem without a type', '{"type":"about:blank"}'],
  ['a section of HTTP', '{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.1"}'],
  ['a member of Object', '{"__proto__":{"code":"X"},"constructor":1}'],
  ['very deep', `${'['.repeat(30_000)}${']'.repeat(30_000)}`],
])('no code is made of %s', (_what, text) => {
  expect(findErrorCode(text, 422)).toBeUndefined()
})
