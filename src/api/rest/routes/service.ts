import { route, type Route } from '../route.ts'
import * as schemas from '../schemas.ts'

/** What operates the server. */
export const serviceRoutes: Route[] = [
  route({
    method: 'get',
    path: '/ready',
    operationId: 'ready',
    summary: 'Whether this process takes requests; asks the bucket nothing',
    tag: 'service',
    role: null,
    answers: { 200: { description: 'Ready', schema: schemas.ready }, 503: { description: 'Shutting down', schema: schemas.ready } },
    async handle({ context }) {
      const ready = context.isReady()
      return { status: ready ? 200 : 503, json: { ready } }
    },
  }),
  route({
    method: 'get',
    path: '/health',
    operationId: 'health',
    summary: 'Deep check: bucket reachable, conditional writes proven, log lag and last maintenance error of open collections',
    tag: 'service',
    role: 'read',
    answers: { 200: { description: 'Healthy', schema: schemas.health }, 503: { description: 'Something is wrong', schema: schemas.health } },
    async handle({ access, context }) {
      const health = await context.bucket.health()
      const models = await context.modelChecks()
      const checks = [...health.checks.filter(({ collection }) => collection === undefined || access.reaches(collection)), ...models]
      const ok = health.ok && models.every((check) => check.ok)
      return { status: ok ? 200 : 503, json: { ...health, ok, checks } }
    },
  }),
  route({
    method: 'get',
    path: '/metrics',
    operationId: 'metrics',
    summary: 'Metrics for Prometheus',
    tag: 'service',
    role: 'read',
    answers: { 200: { description: 'Text format', contentType: 'text/plain' } },
    async handle({ context }) {
      return context.metrics()
    },
  }),
]
