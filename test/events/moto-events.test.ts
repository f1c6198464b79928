// Events as they come from AWS, as far as moto does it: S3 to SQS by itself, through SNS and through EventBridge. Runs where
// WINDLASS_TEST_MOTO says where moto is.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AwsService } from '../../src/aws/aws-service.ts'
import { SqsQueue } from '../../src/aws/sqs.ts'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom, newId } from '../../src/base/random.ts'
import { open } from '../../src/index.ts'
import type { Bucket } from '../../src/library/types.ts'
import { S3Store } from '../../src/store/s3-store.ts'
import { BucketNotifications } from '../../src/vectorize/events/bucket-notifications.ts'
import { ruleOf } from '../../src/vectorize/events/notification-rules.ts'
import type { FollowQueueOptions } from '../../src/vectorize/events/follow-queue.ts'
import type { VectorizerInput } from '../../src/vectorize/declaration/declaration.ts'
import { until } from './followed-bucket.ts'

const endpoint = process.env.WINDLASS_TEST_MOTO ?? ''
const keys = { accessKeyId: 'testing', secretAccessKey: 'testing' }
const environment = { AWS_ACCESS_KEY_ID: keys.accessKeyId, AWS_SECRET_ACCESS_KEY: keys.secretAccessKey, AWS_REGION: 'us-east-1', AWS_ENDPOINT_URL: endpoint }
const settings = { region: 'us-east-1', endpoint, clock: systemClock, random: systemRandom }
const paths = ['a.md', 'with space.md', 'plus+and%2B.md', 'für/✓.md', 'a..b.md']

async function json(service: string, target: string, body: object): Promise<Record<string, string>> {
  const text = await new AwsService({ service, ...settings }).call({ action: target, headers: { 'content-type': `application/x-amz-json-1.${service === 'sqs' ? 0 : 1}`, 'x-amz-target': target }, body: JSON.stringify(body) }, keys)
  return text === '' ? {} : (JSON.parse(text) as Record<string, string>)
}
async function query(service: string, parameters: Record<string, string>): Promise<string> {
  return new AwsService({ service, ...settings }).call({ action: parameters.Action!, headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams(parameters).toString() }, keys)
}

describe.skipIf(endpoint === '')('events of AWS (moto, at WINDLASS_TEST_MOTO)', () => {
  let name: string
  let store: S3Store
  let index: Bucket
  let notifications: BucketNotifications
  let queueUrl: string
  let queueArn: string

  beforeEach(async () => {
    name = `docs-${newId(systemClock.now(), systemRandom)}`
    store = new S3Store({ bucket: name, endpoint, ...keys })
    await store.createBucket()
    notifications = new BucketNotifications({ bucket: name, endpoint, ...keys })
    queueUrl = (await json('sqs', 'AmazonSQS.CreateQueue', { QueueName: name })).QueueUrl!
    queueArn = await new SqsQueue(queueUrl, { get: () => Promise.resolve(keys), refuse: () => undefined, principal: () => Promise.resolve(undefined) }, settings).arn()
    index = await open('memory:', { store: { endpoint, region: 'us-east-1', ...keys } })
  })
  afterEach(async () => {
    notifications.close()
    await index.close()
    await store.close()
  })

  const write = (path: string, text: string) => store.put(`docs/${path}`, new TextEncoder().encode(text))
  const sources = async () => {
    const { rows } = await (await index.getOrCreateCollection('docs', { dimension: 384 })).list({ limit: 1000, include: { metadata: true } })
    return [...new Set(rows.map(({ metadata }) => String(metadata!.source)))].sort()
  }
  const declared = (): VectorizerInput => ({ name: 'docs', source: { type: 's3', url: `s3://${name}/docs`, events: { queueUrl } }, destinations: [{ type: 'collection', name: 'docs' }] })

  async function follow(done: () => Promise<boolean> | boolean, onBatch?: NonNullable<FollowQueueOptions['onBatch']>): Promise<string[]> {
    const problems: string[] = []
    const ending = new AbortController()
    const following = index.vectorizer(declared(), { environment }).followEvents({ signal: ending.signal, onProblem: (problem) => void problems.push(problem), waitSeconds: 1, ...(onBatch && { onBatch }) })
    await Promise.race([until(done), following])
    ending.abort()
    await following
    // moto goes on with a receive that was given up, and hides what it finds from everyone.
    await systemClock.sleep(1500)
    return problems
  }
  /** Messages in the queue, those that somebody has taken counted in. */
  const left = async () => {
    const { Attributes } = (await json('sqs', 'AmazonSQS.GetQueueAttributes', { QueueUrl: queueUrl, AttributeNames: ['All'] })) as unknown as { Attributes: Record<string, string> }
    return Number(Attributes.ApproximateNumberOfMessages) + Number(Attributes.ApproximateNumberOfMessagesNotVisible)
  }

  async function bringsInStep(): Promise<void> {
    for (const path of paths) await write(path, `Text of ${path}.`)
    await store.put('elsewhere/x.md', new TextEncoder().encode('Not ours.'))
    await follow(async () => (await sources()).length === paths.length && (await left()) === 0)
    expect(await sources()).toEqual([...paths].sort())
    await store.delete([`docs/${paths[1]}`, `docs/${paths[3]}`])
    await write('a.md', 'Another text.')
    expect(await follow(async () => (await sources()).length === paths.length - 2 && (await left()) === 0)).toEqual([])
    expect(await sources()).toEqual(['a..b.md', 'a.md', 'plus+and%2B.md'])
    const [best] = await (await index.collection('docs')).search('another', { k: 1, mode: 'text' })
    expect(best).toMatchObject({ source: 'a.md' })
  }

  test('come through a queue; the rule is added beside those that are there, and taken out alone', async () => {
    await json('sqs', 'AmazonSQS.CreateQueue', { QueueName: `${name}-theirs` })
    const theirs = { ...ruleOf('theirs', { to: `${queueArn}-theirs`, prefix: 'images' }), id: 'thumbnails' }
    await notifications.install(theirs)
    const rules = await notifications.install(ruleOf('docs', { to: queueArn, prefix: 'docs' }))
    expect(rules.map(({ id }) => id)).toEqual(['thumbnails', 'windlass-docs'])
    await expect(notifications.install(ruleOf('other', { to: queueArn, prefix: 'docs/deep' }))).rejects.toMatchObject({ kind: 'conflict', message: expect.stringContaining('rule "windlass-docs"') })
    await bringsInStep()
    expect((await notifications.uninstall('windlass-docs')).map(({ id }) => id)).toEqual(['thumbnails'])
    await expect(notifications.uninstall('windlass-docs')).rejects.toMatchObject({ kind: 'not-found' })
  })

  test('come through SNS', async () => {
    const topicArn = /<TopicArn>([^<]+)</.exec(await query('sns', { Action: 'CreateTopic', Version: '2010-03-31', Name: name }))![1]!
    await query('sns', { Action: 'Subscribe', Version: '2010-03-31', TopicArn: topicArn, Protocol: 'sqs', Endpoint: queueArn })
    await notifications.install(ruleOf('docs', { to: topicArn, prefix: 'docs' }))
    await bringsInStep()
  })

  test('come through EventBridge', async () => {
    await notifications.installEventBridge()
    await json('events', 'AWSEvents.PutRule', { Name: name, EventPattern: JSON.stringify({ source: ['aws.s3'], detail: { bucket: { name: [name] } } }) })
    await json('events', 'AWSEvents.PutTargets', { Rule: name, Targets: [{ Id: 'queue', Arn: queueArn }] })
    await bringsInStep()
  })

  test('a queue that is not there, and a message that is none', async () => {
    const ending = new AbortController()
    const missing: VectorizerInput = { ...declared(), source: { type: 's3', url: `s3://${name}/docs`, events: { queueUrl: `${queueUrl}-missing` } } }
    await expect(index.vectorizer(missing, { environment }).followEvents({ signal: ending.signal })).rejects.toMatchObject({ kind: 'not-found' })
    await json('sqs', 'AmazonSQS.SendMessage', { QueueUrl: queueUrl, MessageBody: 'no event' })
    await write('a.md', 'Apples.')
    await notifications.install(ruleOf('docs', { to: queueArn, prefix: 'docs' }))
    await write('b.md', 'Pears.')
    expect(await follow(async () => (await sources()).includes('b.md'))).toEqual([expect.stringContaining('a message is no JSON')])
    // It stays, for the rule of the queue for such.
    expect(await left()).toBe(1)
  })
})
