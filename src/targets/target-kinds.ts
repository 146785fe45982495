import { auditKind } from './audit.ts'
import { batchKind } from './batch.ts'
import { customKind } from './custom.ts'
import { emailKind } from './email.ts'
import { httpKind } from './http.ts'
import { receiptKind } from './receipt/receipt.ts'
import type { KindOfTarget } from './target-kind.ts'
import type { TargetKind } from './target.ts'
import { webhookKind } from './webhook.ts'

/** Every kind of target a configuration file can name. A new kind starts here. */
export const targetKinds: Record<TargetKind, KindOfTarget> = {
  http: httpKind,
  batch: batchKind,
  email: emailKind,
  webhook: webhookKind,
  receipt: receiptKind,
  audit: auditKind,
  custom: customKind,
}
