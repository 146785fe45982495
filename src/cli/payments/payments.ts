import { groupCommands } from '#cli/command-group.ts'

import { listPayments } from './list-payments.ts'
import { settlePayments } from './settle-payment.ts'

export const payments = groupCommands({
  name: 'payments',
  summary: 'Lists payments of which it is not known whether they were charged, and ends them',
  actions: { list: listPayments, settle: settlePayments },
})
