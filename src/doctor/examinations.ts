import type { Examination } from './examination.ts'
import { brokenChain } from './find-broken-chain.ts'
import { blocked } from './find-blocked.ts'
import { clockSkew } from './find-clock-skew.ts'
import { connectionShortage } from './find-connection-shortage.ts'
import { foreignOwner } from './find-foreign-owner.ts'
import { idleWorkers } from './find-idle-workers.ts'
import { indexBloat } from './find-index-bloat.ts'
import { outboxTrouble } from './find-outbox-trouble.ts'
import { missingPartitions } from './find-missing-partitions.ts'
import { pgBossDrift } from './find-pgboss-drift.ts'
import { pooler } from './find-pooler.ts'
import { queueMistakes } from './find-queue-mistakes.ts'
import { schemaDrift } from './find-schema-drift.ts'
import { settings } from './find-settings.ts'
import { invalidIndexes, unloggedTables } from './find-table-mistakes.ts'
import { vacuumLag } from './find-vacuum-lag.ts'
import { wraparound } from './find-wraparound.ts'
import { xminHolders } from './find-xmin-holders.ts'

/** Everything the doctor looks at. */
export const examinations: readonly Examination[] = [
  settings,
  schemaDrift,
  pgBossDrift,
  foreignOwner,
  pooler,
  connectionShortage,
  queueMistakes,
  outboxTrouble,
  idleWorkers,
  xminHolders,
  blocked,
  vacuumLag,
  indexBloat,
  missingPartitions,
  invalidIndexes,
  unloggedTables,
  wraparound,
  clockSkew,
  brokenChain,
]
