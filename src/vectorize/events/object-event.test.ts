import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareSequencers, readEvents } from './object-event.ts'

const record = (key: string, eventName = 'ObjectCreated:Put', more: Record<string, unknown> = {}) => ({
  eventVersion: '2.1',
  eventSource: 'aws:s3',
  awsRegion: 'us-east-1',
  eventTime: '2026-11-21T10:00:00.000Z',
  eventName,
  s3: { s3SchemaVersion: '1.0', configurationId: 'windlass', bucket: { name: 'docs', arn: 'arn:aws:s3:::docs' }, object: { key, size: 5, eTag: 'd41d8', sequencer: '0055AED6DCD90281E5', ...more } },
})
const notification = (...keys: string[]) => ({ Records: keys.map((key) => record(key)) })
const sns = (message: unknown) => ({ Type: 'Notification', MessageId: '1', TopicArn: 'arn:aws:sns:us-east-1:1:t', Subject: 'Amazon S3 Notification', Message: JSON.stringify(message) })
const bridge = (type: string, detail: Record<string, unknown> = {}) => ({
  version: '0',
  source: 'aws.s3',
  'detail-type': type,
  detail: { version: '0', bucket: { name: 'docs' }, object: { key: 'a b+c.md', size: 5, etag: 'd41d8', 'version-id': 'v1', sequencer: '00617F08299329D189' }, reason: 'PutObject', ...detail },
})
const keysOf = (message: unknown) => readEvents(message).map(({ key }) => key)

describe('events in a message', () => {
  test('are all records of it, their keys decoded as forms are', () => {
    expect(keysOf(notification('a+b.md', 'a%2Bb.md', 'f%C3%BCr/%E2%9C%93.md', 'with%2Fslash', '100%25.md', '..%2F..%2Fx'))).toEqual(['a b.md', 'a+b.md', 'für/✓.md', 'with/slash', '100%.md', '../../x'])
    expect(readEvents(notification('a.md'))[0]).toEqual({ bucket: 'docs', key: 'a.md', kind: 'created', name: 'ObjectCreated:Put', sequencer: '0055AED6DCD90281E5', etag: 'd41d8' })
  })

  test('a key that was not encoded is taken as it is', () => {
    expect(keysOf(notification('100%.md'))).toEqual(['100%.md'])
  })

  test('lie in the envelopes of SNS, of SQS and of Lambda, and in those in each other', () => {
    expect(keysOf(JSON.stringify(sns(notification('a+b'))))).toEqual(['a b'])
    expect(keysOf({ Records: [{ EventSource: 'aws:sns', Sns: sns(notification('a', 'b')) }] })).toEqual(['a', 'b'])
    expect(keysOf({ Records: [{ messageId: '1', eventSource: 'aws:sqs', body: JSON.stringify(sns(notification('a'))) }, { messageId: '2', eventSource: 'aws:sqs', body: JSON.stringify(bridge('Object Created')) }] })).toEqual(['a', 'a b+c.md'])
  })

  test("of EventBridge have keys that are not encoded, and S3's names of their own", () => {
    expect(readEvents(bridge('Object Created'))).toEqual([{ bucket: 'docs', key: 'a b+c.md', kind: 'created', name: 'Object Created', sequencer: '00617F08299329D189', versionId: 'v1', etag: 'd41d8' }])
    expect(readEvents(bridge('Object Deleted', { 'deletion-type': 'Delete Marker Created' }))).toMatchObject([{ kind: 'removed' }])
    expect(readEvents(bridge('Object Tags Added'))).toEqual([])
  })

  test("of MinIO's webhook are those of S3", () => {
    const message = { EventName: 's3:ObjectCreated:Put', Key: 'docs/a b.md', Records: [{ ...record('a+b.md', 's3:ObjectCreated:Put'), eventSource: 'minio:s3' }] }
    expect(readEvents(message)).toMatchObject([{ key: 'a b.md', kind: 'created', name: 'ObjectCreated:Put' }])
  })

  test.each([
    ['ObjectCreated:Put', 'created'],
    ['ObjectCreated:Post', 'created'],
    ['ObjectCreated:Copy', 'created'],
    ['ObjectCreated:CompleteMultipartUpload', 'created'],
    ['ObjectRestore:Completed', 'created'],
    ['ObjectRemoved:Delete', 'removed'],
    ['ObjectRemoved:DeleteMarkerCreated', 'removed'],
    ['LifecycleExpiration:Delete', 'removed'],
    ['LifecycleExpiration:DeleteMarkerCreated', 'removed'],
  ])('%s means: %s', (name, kind) => {
    expect(readEvents({ Records: [record('a', name)] })).toMatchObject([{ kind, name }])
  })

  test.each(['ObjectTagging:Put', 'ObjectAcl:Put', 'LifecycleTransition', 'ObjectRestore:Post', 'Replication:OperationFailedReplication', 'IntelligentTiering'])('%s changes no content, and is left out', (name) => {
    expect(readEvents({ Records: [record('a', name)] })).toEqual([])
  })

  test('that only test or subscribe are none', () => {
    expect(readEvents({ Service: 'Amazon S3', Event: 's3:TestEvent', Time: '2026', Bucket: 'docs', RequestId: '1', HostId: '2' })).toEqual([])
    expect(readEvents(sns({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'docs' }))).toEqual([])
    expect(readEvents({ Type: 'SubscriptionConfirmation', Token: '1', SubscribeURL: 'https://example.com' })).toEqual([])
  })

  test('what is none of these is refused, however deep', () => {
    let nested: unknown = notification('a')
    for (let i = 0; i < 6; i++) nested = sns(nested)
    for (const message of ['not json', '[]', '"text"', null, 7, {}, { Records: [{}] }, { Records: [null] }, { Records: [{ s3: { bucket: {}, object: {} } }] }, { source: 'aws.ec2', detail: {} }, bridge('Object Created', { bucket: 1 }), nested]) {
      expect(() => readEvents(message)).toThrow(expect.objectContaining({ kind: 'invalid' }))
    }
  })

  test('any JSON is read or refused, and nothing else happens', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        try {
          readEvents({ Records: [value] })
        } catch (error) {
          expect(error).toMatchObject({ kind: 'invalid' })
        }
      }),
    )
  })

  test('any key comes through the encoding of S3', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (key) => {
        const encoded = encodeURIComponent(key).replaceAll('%20', '+')
        expect(keysOf(notification(encoded))).toEqual([key])
      }),
    )
  })
})

describe('sequencers', () => {
  test('are compared with the shorter one filled up on its right', () => {
    expect(compareSequencers('0055AED6DCD90281E5', '0055AED6DCD90281E6')).toBeLessThan(0)
    expect(compareSequencers('0055AED6DCD902', '0055AED6DCD90281E5')).toBeLessThan(0)
    expect(compareSequencers('1', '0FFF')).toBeGreaterThan(0)
    expect(compareSequencers('00ab', '00AB00')).toBe(0)
  })
})
