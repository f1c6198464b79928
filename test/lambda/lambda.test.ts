import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { systemClock } from '../../src/base/clock.ts'
import { open } from '../../src/index.ts'
import { createHandler, type LambdaContext } from '../../src/lambda/handler.ts'
import { followBucket, type FollowedBucket } from '../events/followed-bucket.ts'
import { externalId, readerArn } from '../doubles/sts/world.ts'

let bucket: FollowedBucket
let lines: Readonly<Record<string, unknown>>[]
beforeEach(async () => {
  bucket = await followBucket()
  lines = []
})
afterEach(() => bucket.close())

const invoke = (event: unknown, context?: LambdaContext) =>
  createHandler(() => Promise.resolve({ vectorizers: [bucket.vectorizer()], clock: systemClock, log: (line) => void lines.push(line) }))(event, context)
const sqs = (...bodies: unknown[]) => ({ Records: bodies.map((body, i) => ({ messageId: `m${i}`, receiptHandle: 'r', eventSource: 'aws:sqs', body: typeof body === 'string' ? body : JSON.stringify(body) })) })

describe('the Lambda handler', () => {
  test('does all records of all messages, and answers which messages failed', async () => {
    const event = sqs(
      { Records: [await bucket.put('a.md', 'Apples.'), await bucket.put('b c+d.md', 'Pears.')] },
      { Records: [await bucket.put('secret/x.md', 'Plums.')] },
      'this is no event',
      { Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'theirs' },
      { Type: 'Notification', Message: JSON.stringify({ Records: [await bucket.put('e.md', 'Figs.')] }) },
    )
    expect(await invoke(event)).toEqual({ batchItemFailures: [{ itemIdentifier: 'm2' }, { itemIdentifier: 'm1' }] })
    expect([...(await bucket.inIndex()).keys()]).toEqual(['a.md', 'b c+d.md', 'e.md'])
    expect(lines).toEqual([expect.objectContaining({ level: 'error', messageId: 'm2' }), expect.objectContaining({ level: 'warn', vectorizer: 'docs', new: 3, failed: 1 })])
    expect(await invoke(sqs({ Records: [await bucket.remove('a.md')] }))).toEqual({ batchItemFailures: [] })
    expect([...(await bucket.inIndex()).keys()]).toEqual(['b c+d.md', 'e.md'])
  })

  test('takes events of S3, of SNS and of EventBridge as they come, and fails as a whole', async () => {
    expect(await invoke({ Records: [await bucket.put('a.md', 'Apples.')] })).toMatchObject({ reports: { docs: { new: 1 } } })
    expect(await invoke({ Records: [{ EventSource: 'aws:sns', Sns: { Type: 'Notification', Message: JSON.stringify({ Records: [await bucket.put('b.md', 'Pears.')] }) } }] })).toMatchObject({ reports: { docs: { new: 1 } } })
    await bucket.put('c d.md', 'Plums.')
    expect(await invoke({ source: 'aws.s3', 'detail-type': 'Object Created', detail: { bucket: { name: 'theirs' }, object: { key: 'docs/c d.md' } } })).toMatchObject({ reports: { docs: { new: 1 } } })
    await expect(invoke({ Records: [await bucket.put('secret/x.md', 'Plums.')] })).rejects.toThrow(/1 documents failed, the first: secret\/x\.md: .*s3:GetObject/)
    await expect(invoke({ anything: 'else' })).rejects.toMatchObject({ kind: 'invalid' })
  })

  test('ends before its time does, so that the queue delivers again what was not done', async () => {
    const event = sqs({ Records: [await bucket.put('a.md', 'Apples.')] })
    await expect(invoke(event, { getRemainingTimeInMillis: () => 4000 })).rejects.toMatchObject({ kind: 'cancelled' })
    expect(await bucket.inIndex()).toEqual(new Map())
    // Nobody is waited for who has ended.
    expect(await invoke(event, { getRemainingTimeInMillis: () => 20_000 })).toEqual({ batchItemFailures: [] })
    expect([...(await bucket.inIndex()).keys()]).toEqual(['a.md'])
    expect((await bucket.vectorizer().status()).inProgress).toBe(0)
  })

  test('opens once, and again after that failed', async () => {
    let opened = 0
    const handler = createHandler(async () => {
      if (++opened === 1) throw new Error('not yet')
      return { vectorizers: [bucket.vectorizer()], clock: systemClock, log: () => undefined }
    })
    await expect(handler(sqs())).rejects.toThrow('not yet')
    for (let i = 0; i < 3; i++) await handler({ Records: [await bucket.put('a.md', `Apples ${i}.`)] })
    expect(opened).toBe(2)
  })
})

describe('the bundle', () => {
  let folder: string
  let built: { path: string; bytes: number }
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'windlass-lambda-'))
    // @ts-expect-error A script, of which nobody needs types.
    const { buildLambda } = (await import('../../scripts/build-lambda.mjs')) as { buildLambda(folder: string, options: { withModel: boolean }): Promise<typeof built> }
    built = await buildLambda(folder, { withModel: true })
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('has less than 5 MB, the model not counted', () => {
    expect(built.bytes).toBeLessThan(5_000_000)
    expect(readFileSync(built.path).length).toBe(built.bytes)
  })

  test('runs by itself, as Lambda runs it: with a declaration, keys and a place for the index', async () => {
    const { world } = bucket
    writeFileSync(
      join(folder, 'windlass.yaml'),
      JSON.stringify({ version: 1, bucket: `file:${join(folder, 'index')}`, vectorizers: [{ name: 'docs', source: { type: 's3', url: 's3://theirs/docs', role: readerArn, externalId }, destinations: [{ type: 'collection', name: 'docs' }] }] }),
    )
    const event = sqs({ Records: [await bucket.put('a.md', 'Apples are red.')] }, { Records: [await bucket.put('secret/x.md', 'Plums.')] })
    const program = `const { handler } = await import(${JSON.stringify(built.path)}); console.log('ANSWER ' + JSON.stringify(await handler(${JSON.stringify(event)}, { getRemainingTimeInMillis: () => 60000 })))`
    const { PATH, HOME } = process.env
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { cwd: folder, env: { PATH, HOME, ...world.environment } })
    expect(stdout).toContain('ANSWER {"batchItemFailures":[{"itemIdentifier":"m1"}]}')
    expect(JSON.parse(stdout.split('\n').find((line) => line.includes('"vectorizer"'))!)).toMatchObject({ vectorizer: 'docs', new: 1, failed: 1 })
    const index = await open(`file:${join(folder, 'index')}`)
    const [best] = await (await index.collection('docs')).search('red fruit', { k: 1 })
    expect(best).toMatchObject({ source: 'a.md', text: expect.stringContaining('Apples') })
    await index.close()
  })
})

test('the documentation leaves out of the bundle what the script leaves out', () => {
  const [page, manifest] = ['../../docs/events.md', '../../package.json'].map((path) => readFileSync(join(import.meta.dirname, path), 'utf8'))
  const { peerDependencies } = JSON.parse(manifest!) as { peerDependencies: object }
  expect([...page!.matchAll(/--external:(\S+)/g)].map(([, name]) => name).sort()).toEqual(Object.keys(peerDependencies).sort())
})

test('the SAM template runs what the bundle is, lets single messages fail, and lets the function do no more than it needs', () => {
  const path = join(import.meta.dirname, '../../templates/sam/template.yaml')
  const tags = ['!Ref', '!Sub', '!GetAtt'].map((tag) => ({ tag, resolve: (text: string) => `${tag} ${text}` }))
  const template = parse(readFileSync(path, 'utf8'), { customTags: [...tags, { tag: '!If', collection: 'seq' as const, resolve: (value: unknown) => value }, { tag: '!Equals', collection: 'seq' as const, resolve: (value: unknown) => value }, { tag: '!Not', collection: 'seq' as const, resolve: (value: unknown) => value }] }) as {
    Resources: Record<string, { Type: string; Properties: Record<string, unknown> }>
  }
  const { Function: fn, Queue: queue } = template.Resources
  expect(fn!.Properties).toMatchObject({ Handler: 'dist/lambda/index.handler', Runtime: expect.stringMatching(/^nodejs2\d\.x$/), Events: { Messages: { Properties: { FunctionResponseTypes: ['ReportBatchItemFailures'] } } } })
  expect(Number(queue!.Properties.VisibilityTimeout)).toBeGreaterThanOrEqual(6 * Number(fn!.Properties.Timeout))
  expect(queue!.Properties).toHaveProperty('RedrivePolicy')
  expect(readFileSync(path, 'utf8')).not.toMatch(/s3:\*|Resource: ['"]?\*/)
})
