// Malformed requests, made from the model for every operation: a typed 4xx each time, nothing written, and memory bounded.
import { readFileSync } from 'node:fs'
import type { ChildProcess } from 'node:child_process'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inputShapes, type OperationName } from '../../src/api/s3vectors/model.ts'
import { exited, killAll, startServer } from '../process/processes.ts'
import { malformedRequests, requestOf, validInputs, type Malformed } from './malformed.ts'
import { sdk } from './testing.ts'

const quiet = { WINDLASS_LOG_LEVEL: 'error' }
const credentials = { accessKeyId: 'ADMIN', secretAccessKey: 'admin-secret-0123456789' }
const keys = JSON.stringify([{ id: credentials.accessKeyId, secret: credentials.secretAccessKey, role: 'admin' }])
const place = { vectorBucketName: 'malformed', indexName: 'index' }
let open: { child: ChildProcess; url: string }
let keyed: { child: ChildProcess; url: string }
let client: sdk.S3VectorsClient
beforeAll(async () => {
  ;[open, keyed] = await Promise.all([startServer('memory:', quiet), startServer('memory:', { ...quiet, WINDLASS_KEYS: keys })])
  client = new sdk.S3VectorsClient({ endpoint: open.url, region: 'us-east-1', credentials })
  await client.send(new sdk.CreateVectorBucketCommand(place))
  await client.send(new sdk.CreateIndexCommand({ ...place, dataType: 'float32', dimension: 2, distanceMetric: 'cosine' }))
  await client.send(new sdk.PutVectorsCommand({ ...place, vectors: [{ key: 'kept', data: { float32: [1, 2] }, metadata: { n: 1 } }] }))
})
afterAll(async () => {
  client.destroy()
  for (const { child } of [open, keyed]) {
    child.kill('SIGTERM')
    await exited(child)
  }
  killAll()
})

interface Refusal {
  readonly status: number
  readonly code: string | null
  readonly message: unknown
  readonly type: unknown
}

async function send(url: string, { method, path, body }: Pick<Malformed, 'method' | 'path' | 'body'>, headers: Record<string, string> = {}): Promise<Refusal> {
  const response = await fetch(url + path, { method, body, headers: { 'content-type': 'application/json', ...headers } })
  const json = (await response.json().catch(() => ({}))) as { message?: unknown; __type?: unknown }
  return { status: response.status, code: response.headers.get('x-amzn-errortype'), message: json.message, type: json.__type }
}

function problemOf({ status, code, message, type }: Refusal, codes: RegExp): string | null {
  const isTyped = status >= 400 && status < 500 && codes.test(code ?? '') && type === code && typeof message === 'string' && message !== ''
  return isTyped ? null : `${status} ${code} ${String(message).slice(0, 200)}`
}

/** The most that the server's memory ever was, in MiB; null where the system does not tell. */
function peakMiB({ pid }: ChildProcess): number | null {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
  } catch {
    return null
  }
}

async function expectNothingHappened(): Promise<void> {
  expect(open.child.exitCode).toBeNull()
  const { vectors } = await client.send(new sdk.ListVectorsCommand({ ...place, returnData: true, returnMetadata: true }))
  expect(vectors).toEqual([{ key: 'kept', data: { float32: [1, 2] }, metadata: { n: 1 } }])
  expect((await client.send(new sdk.ListVectorBucketsCommand({}))).vectorBuckets).toHaveLength(1)
  expect((await client.send(new sdk.ListIndexesCommand({ vectorBucketName: 'malformed' }))).indexes).toHaveLength(1)
  expect((await client.send(new sdk.ListTagsForResourceCommand({ resourceArn: 'arn:aws:s3vectors:us-east-1:000000000000:bucket/malformed' }))).tags).toEqual({})
}

test('what the model gives, more than a thousand, each refused by type', { timeout: 300_000 }, async () => {
  const requests = [...malformedRequests()]
  expect(requests.length).toBeGreaterThan(1000)
  expect(new Set(requests.map(({ operation }) => operation)).size, 'every operation').toBe(Object.keys(inputShapes).length)
  const problems: string[] = []
  const waiting = requests.values()
  const worker = async () => {
    for (const request of waiting) {
      const problem = problemOf(await send(open.url, request), /^ValidationException$/)
      if (problem !== null) problems.push(`${request.operation} ${request.fault}: ${problem}`)
    }
  }
  await Promise.all([worker(), worker(), worker(), worker()])
  expect(problems).toEqual([])
  await expectNothingHappened()
})

test('whole requests cut, spliced and bent at random', { timeout: 300_000 }, async () => {
  const operation = fc.constantFrom(...(Object.keys(inputShapes) as OperationName[]).filter((name) => !/Tag|Untag/.test(name)))
  const bend = fc.record({ operation, at: fc.nat(), length: fc.integer({ min: 1, max: 8 }), insert: fc.oneof(fc.constantFrom('NaN', '}', '{', '[', ']', '"', ':', '1e999', '\\u', '\u0000'), fc.string({ maxLength: 6 })) })
  await fc.assert(
    fc.asyncProperty(bend, async ({ operation: name, at, length, insert }) => {
      const { body, ...rest } = requestOf(name, validInputs[name])
      const start = at % body!.length
      const bent = body!.slice(0, start) + insert + body!.slice(start + length)
      try {
        JSON.parse(bent)
        return // by chance still a request
      } catch {
        // as it should be
      }
      expect(problemOf(await send(open.url, { ...rest, body: bent }), /^ValidationException$/)).toBeNull()
    }),
    { numRuns: Number(process.env.WINDLASS_FUZZ_RUNS ?? 300) },
  )
  await expectNothingHappened()
})

test('bodies of 25 MiB, several at once, in bounded memory', { timeout: 120_000 }, async () => {
  const before = peakMiB(open.child)
  const filler = 'y'.repeat(25 * 1024 * 1024)
  const bodies = [`{"vectorBucketName":"malformed","indexName":"index","x":"${filler}"}`, `{"a":${'['.repeat(25 * 1024 * 1024)}`, `[${'0.5,'.repeat((25 * 1024 * 1024) / 4)}1]`]
  for (const operation of ['PutVectors', 'QueryVectors', 'CreateVectorBucket'] as const) {
    const answers = await Promise.all([...bodies, ...bodies].map((body) => send(open.url, { method: 'POST', path: `/${operation}`, body }).catch(() => 'cut off' as const)))
    // The answer may come while the client still sends: then the connection ends under it.
    for (const answer of answers) if (answer !== 'cut off') expect(problemOf(answer, /^ValidationException$/)).toBeNull()
  }
  await expectNothingHappened()
  if (before !== null) expect(peakMiB(open.child)! - before, 'a few bodies, not all that were sent').toBeLessThan(500)
})

test('wrong signatures on every operation', { timeout: 120_000 }, async () => {
  const codes = /^(InvalidSignature|UnrecognizedClient|MissingAuthenticationToken|AccessDenied|Validation)Exception$/
  const strange = ['', 'Bearer x', 'AWS4-HMAC-SHA256', 'AWS4-HMAC-SHA256 Credential=, SignedHeaders=, Signature=', `AWS4-HMAC-SHA256 Credential=ADMIN/20260101/us-east-1/s3vectors/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}`, `AWS4-HMAC-SHA256 ${'Credential=x,'.repeat(500)}`]
  let count = 0
  const problems: string[] = []
  for (const operation of Object.keys(inputShapes) as OperationName[]) {
    const request = requestOf(operation, validInputs[operation])
    for (const authorization of strange) {
      for (const date of [{}, { 'x-amz-date': '20200101T000000Z' }, { 'x-amz-date': 'yesterday' }]) {
        const answer = await send(keyed.url, request, { ...(authorization !== '' && { authorization }), ...date })
        const problem = answer.status === 400 || answer.status === 403 ? problemOf(answer, codes) : `${answer.status} ${answer.code}`
        if (problem !== null) problems.push(`${operation} ${authorization.slice(0, 40)} ${JSON.stringify(date)}: ${problem}`)
        count++
      }
    }
  }
  expect(problems).toEqual([])
  expect(count).toBe(22 * 18)
  for (const wrong of [{ ...credentials, secretAccessKey: 'wrong-secret-0123456789' }, { ...credentials, accessKeyId: 'NOBODY' }]) {
    const stranger = new sdk.S3VectorsClient({ endpoint: keyed.url, region: 'us-east-1', credentials: wrong, maxAttempts: 1 })
    await expect(stranger.send(new sdk.PutVectorsCommand({ ...place, vectors: [{ key: 'a', data: { float32: [1, 2] } }] }))).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } })
    stranger.destroy()
  }
})
