import { emailKind } from '#targets/email/email.ts'
import { batchKind } from '#targets/http/batch.ts'
import { httpKind } from '#targets/http/http.ts'
import { webhookKind } from '#targets/http/webhook.ts'
import { receiptKind } from '#targets/receipt/receipt.ts'

import { auditKind } from './audit.ts'
import { customKind } from './custom.ts'
import type { KindOfTarget } from './target-kind.ts'
import type { ConfigurableKind } from './target.ts'

/** Every kind of target a configuration file can name. A new kind starts here. */
export const targetKinds: Record<ConfigurableKind, KindOfTarget> = {
  http: httpKind,
  batch: batchKind,
  email: emailKind,
  webhook: webhookKind,
  receipt: receiptKind,
  audit: auditKind,
  custom: customKind,
}
