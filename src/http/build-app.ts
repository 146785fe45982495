import fastify, { LogController, type FastifyInstance, type FastifyRequest } from 'fastify'
import type pg from 'pg'

import { onlyDeployment, type Deployment } from '#base/deployment.ts'
import type { Log } from '#base/log.ts'
import type { Db } from '#database/open-database.ts'
import { createEventStreams } from '#http/buyers/event-streams.ts'
import { addOrderEventsRoute } from '#http/buyers/order-events-route.ts'
import { addReceiptRoutes } from '#http/buyers/receipt-routes.ts'
import { addStatusRoutes } from '#http/buyers/status-routes.ts'
import { countOrders } from '#http/metrics/count-orders.ts'
import { addHealthRoutes, type SchemaReady } from '#http/metrics/health-routes.ts'
import { addMetricsRoute } from '#http/metrics/metrics-routes.ts'
import { addOpsAuditRoutes } from '#http/ops/audit-routes.ts'
import { addOpsDeadLetterRoutes } from '#http/ops/dead-letter-routes.ts'
import { addOpsDoctorRoutes, type Diagnose } from '#http/ops/doctor-routes.ts'
import { addOpsForgetRoutes } from '#http/ops/forget-routes.ts'
import { addOpsLetterDecisionsRoutes } from '#http/ops/letter-decisions-routes.ts'
import { addOpsOrdersRoutes } from '#http/ops/orders-routes.ts'
import { addOpsOverviewRoutes } from '#http/ops/overview-routes.ts'
import { addOpsReplaysRoutes } from '#http/ops/replays-routes.ts'
import { addOpsTargetsRoutes } from '#http/ops/targets-routes.ts'
import { addOpsVerifyRoutes } from '#http/ops/verify-routes.ts'
import { addCancellationRoutes } from '#http/orders/cancellation-routes.ts'
import { createIntakeGate } from '#http/orders/intake-gate.ts'
import { addMessageRoutes } from '#http/orders/message-routes.ts'
import { addOrderRoutes } from '#http/orders/order-routes.ts'
import { refuseUnmet } from '#http/orders/refuse-unmet.ts'
import { addReportFileRoute } from '#http/reports/report-file-route.ts'
import { addReportRoutes } from '#http/reports/report-routes.ts'
import { intakeDefaults, type IntakeLimits } from '#messages/intake-limits.ts'
import type { Routes } from '#messages/message-kinds.ts'
import type { OwnKinds } from '#messages/own-kinds.ts'
import { createKnownOrders } from '#orders/known-orders.ts'
import { createOrderWriter, type OrderWriterOptions } from '#orders/place-order.ts'
import { createStatusLinks } from '#orders/status-links.ts'
import { watchOrders } from '#orders/watch-orders.ts'
import { readOwner } from '#owner/read-owner.ts'
import { askOwner } from '#payments/ask-owner.ts'
import { createPaidOrders } from '#payments/place-paid-order.ts'
import type { PaymentGateway } from '#targets/payment/payment-gateway.ts'
import type { Target } from '#targets/target.ts'

import { answerClientError } from './answer-client-error.ts'
import { answerError, plainJson } from './answer-error.ts'
import { addUnknownHandler } from './answer-unknown.ts'
import { createAuthenticator } from './authenticate.ts'
import { closeGracefully } from './close-gracefully.ts'
import { describeApi } from './describe-api.ts'
import { createApiKeyFinder } from './find-api-key.ts'
import { HttpProblem } from './http-problem.ts'
import { createRateLimiter } from './limit-rate.ts'
import { httpLimits, type HttpLimits } from './limits.ts'
import { parseJsonBody } from './parse-json-body.ts'
import { addProblemRoutes } from './problem-routes.ts'
import { addRequestFields } from './request-fields.ts'
import { addRequestLog } from './request-log.ts'
import { addSecureHeaders } from './secure-headers.ts'
import { serveDocs } from './serve-docs.ts'

export type AppOptions = {
  pool: pg.Pool
  db: Db
  log: Log
  /** Whether the database has the schema this version needs. Asked by /readyz. */
  schemaReady?: SchemaReady
  /** Of the configuration: for requests that operators correct, and receipts. Default none. */
  targets?: readonly Target[]
  routes?: Routes
  /** Of the configuration: kinds of message that it declares. Default none. */
  kinds?: OwnKinds
  /** Of the configuration: from when on no further orders, messages and reports are taken. */
  intake?: IntakeLimits
  /** Charges orders that come with a token. Null: such orders are refused. */
  payment?: PaymentGateway | null
  /** Called after each commit that wrote orders or messages; must not throw. */
  outboxChanged: () => void
  /** Examines the database for GET /ops/doctor, which is not there without it. */
  diagnose?: Diagnose
  /** Whether targets are called from this database, for /metrics and GET /ops/overview. Default: the only one there is. */
  deployment?: Deployment
  /** Refuses the development keys. */
  production: boolean
  /** What who asks for /metrics has to send; absent: anybody may ask. */
  metricsToken?: string | undefined
  limits?: Partial<HttpLimits>
  /** Tests only. */
  writer?: Partial<OrderWriterOptions>
  /** Milliseconds, for the rate limit and what is remembered of API keys and of being ready. */
  now?: () => number
}

/** The HTTP API, ready to `listen` or `inject`. `close()` lets requests and orders under way finish; the pool stays open. */
export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { pool, db, log, outboxChanged, diagnose, production, now } = options
  const {
    targets = [],
    kinds = new Map(),
    routes = {},
    metricsToken,
    deployment = onlyDeployment,
  } = options
  const { payment: gateway } = options
  const { schemaReady = async () => ({ ready: true }) } = options
  const limits = { ...httpLimits, ...options.limits }
  const app = createServer(log, limits)
  const writer = createOrderWriter({ pool, outboxChanged, ...options.writer })
  const placePaid = gateway
    ? createPaidOrders({
        pool,
        db,
        gateway,
        log,
        whyNotCharged: askOwner(() => readOwner(db, deployment), now),
        outboxChanged,
      })
    : undefined
  const gate = createIntakeGate({ db, log, limits: options.intake ?? intakeDefaults, now })
  const isKnown = createKnownOrders(pool)
  const requires = createAuthenticator({
    findApiKey: createApiKeyFinder(pool, { now }),
    limitRate: createRateLimiter(now),
    production,
  })

  addRequestFields(app)
  addUnknownHandler(app)
  const { isClosing } = closeGracefully(app, { writer, ...limits })
  refuseUnmet(app)
  addRequestLog(app)
  const orders = countOrders(app)
  await addSecureHeaders(app)
  await describeApi(app)
  const listening = { watch: watchOrders({ db, log }), streams: createEventStreams(limits) }
  const links = createStatusLinks(pool)
  addOrderEventsRoute(app, { ...listening, requires })
  addStatusRoutes(app, { ...listening, links })
  addOrderRoutes(app, { db, writer, placePaid, gate, isKnown, links, requires })
  addCancellationRoutes(app, { db, requires, outboxChanged })
  addReceiptRoutes(app, { db, requires, targets, routes })
  addOpsAuditRoutes(app, { db, requires })
  addMessageRoutes(app, { db, requires, kinds, gate, outboxChanged })
  addReportRoutes(app, { db, requires, gate, outboxChanged })
  addReportFileRoute(app, { db, requires, limits })
  addOpsDeadLetterRoutes(app, { db, requires })
  if (diagnose) addOpsDoctorRoutes(app, { diagnose, requires })
  addOpsForgetRoutes(app, { db, requires })
  addOpsLetterDecisionsRoutes(app, { db, requires, targets })
  addOpsOrdersRoutes(app, { db, requires })
  addOpsOverviewRoutes(app, { db, requires, deployment })
  addOpsReplaysRoutes(app, { db, requires })
  addOpsTargetsRoutes(app, { db, requires })
  addOpsVerifyRoutes(app, { db, requires })
  addProblemRoutes(app)
  addHealthRoutes(app, { pool, schemaReady, isClosing, now })
  addMetricsRoute(app, { db, orders, intake: gate.report, deployment, token: metricsToken, now })
  await serveDocs(app)
  await app.ready()
  return app
}

function createServer(log: Log, limits: HttpLimits): FastifyInstance {
  const app = fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: limits.maxBodyBytes,
    requestTimeout: limits.requestTimeoutSeconds * 1_000,
    keepAliveTimeout: limits.keepAliveTimeoutSeconds * 1_000,
    http: {
      headersTimeout: limits.headersTimeoutSeconds * 1_000,
      connectionsCheckingInterval: limits.slowCheckSeconds * 1_000,
      // Ours answers with a problem, see refuse-unmet.ts.
      requireHostHeader: false,
    },
    // Ours answers with a problem, see close-gracefully.ts.
    return503OnClosing: false,
    clientErrorHandler: answerClientError,
    frameworkErrors: answerError,
    ajv: {
      customOptions: {
        // What was sent is checked as it is, never bent into shape.
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        allErrors: true,
        verbose: true,
        allowUnionTypes: true,
      },
    },
  })
  // Fastify's own joins the messages of all errors to one text, which nobody reads: see describe-invalid.ts.
  app.setSchemaErrorFormatter((_errors, part) => new Error(`the ${part} breaks its schema`))
  app.setErrorHandler(answerError)
  // Answers are made by typed functions; their schemas are for the reader, and checked by the tests.
  app.setSerializerCompiler(() => JSON.stringify)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, readBody)
  // The type parameter for our logger is of no use to anybody who calls this.
  return app as unknown as FastifyInstance
}

async function readBody(request: FastifyRequest, body: Buffer): Promise<unknown> {
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity') throw new HttpProblem('unsupported-media-type', plainJson)
  const { invalidBody, bodyOptional } = request.routeOptions.config
  if (bodyOptional && body.length === 0) return undefined
  return parseJsonBody(body, invalidBody)
}
