import { WindlassError } from '../../base/errors.ts'

/** Something that happened to an object, as somebody told us. A hint where to look, no more: it may come late, twice, or not at all. */
export interface ObjectEvent {
  readonly bucket: string
  readonly key: string
  /** `created` and `removed` as told; both mean: look. */
  readonly kind: 'created' | 'removed'
  /** Without the `s3:` that some write before it: `ObjectCreated:Put`, or EventBridge's `Object Created`. */
  readonly name: string
  /** Hexadecimal, grows with each event of one key; of other stores than S3 it may be missing. */
  readonly sequencer?: string
  readonly versionId?: string
  readonly etag?: string
}

type Json = Readonly<Record<string, unknown>>

// An envelope in an envelope: EventBridge to SNS to SQS. More is somebody's mistake.
const depthMax = 4

/**
 * The events in a message: S3's own notification (all of its records), MinIO's webhook, or either in the envelope of SNS; EventBridge's
 * events; what Lambda is given of any of them. Events that change no content (tags, ACLs, transitions), and S3's test message, are left out.
 * @param message Parsed JSON, or its text.
 * @throws {WindlassError} `invalid` for what is none of these.
 */
export function readEvents(message: unknown, depth = 0): ObjectEvent[] {
  const value = typeof message === 'string' ? parse(message) : message
  if (!isObject(value) || depth > depthMax) throw unknownMessage(value)
  const { Records: records, Type: type, Message: inner, detail, Event: test } = value
  if (test === 's3:TestEvent') return []
  // versitygw tests a webhook with a message that has no records.
  if (records === undefined && value.EventName === 's3:TestEvent') return []
  if (Array.isArray(records)) return records.flatMap((record) => readRecord(record, depth))
  if (type === 'Notification' && typeof inner === 'string') return readEvents(inner, depth + 1)
  if (type === 'SubscriptionConfirmation' || type === 'UnsubscribeConfirmation') return []
  if (value.source === 'aws.s3' && isObject(detail)) return readBridgeEvent(String(value['detail-type']), detail)
  throw unknownMessage(value)
}

function readRecord(record: unknown, depth: number): ObjectEvent[] {
  if (!isObject(record)) throw unknownMessage(record)
  const { s3, body, Sns: sns } = record
  if (isObject(sns)) return readEvents(sns.Message, depth + 1)
  if (s3 === undefined && typeof body === 'string') return readEvents(body, depth + 1)
  const [bucket, object] = isObject(s3) ? [s3.bucket, s3.object] : []
  if (!isObject(bucket) || !isObject(object) || typeof bucket.name !== 'string' || typeof object.key !== 'string') throw unknownMessage(record)
  const name = String(record.eventName).replace(/^s3:/, '')
  const kind = kindOf(name)
  if (!kind) return []
  return [{ bucket: bucket.name, key: decodeKey(object.key), kind, name, ...optional(object, { sequencer: 'sequencer', versionId: 'versionId', eTag: 'etag' }) }]
}

/** EventBridge's form, in which keys are not encoded. docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html */
function readBridgeEvent(name: string, detail: Json): ObjectEvent[] {
  const { bucket, object } = detail
  if (!isObject(bucket) || !isObject(object) || typeof bucket.name !== 'string' || typeof object.key !== 'string') throw unknownMessage(detail)
  const kind = name === 'Object Created' || name === 'Object Restore Completed' ? 'created' : name === 'Object Deleted' ? 'removed' : null
  if (!kind) return []
  return [{ bucket: bucket.name, key: object.key, kind, name, ...optional(object, { sequencer: 'sequencer', 'version-id': 'versionId', etag: 'etag' }) }]
}

/** docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html */
function kindOf(name: string): ObjectEvent['kind'] | null {
  if (/^ObjectCreated:|^ObjectRestore:Completed$/.test(name)) return 'created'
  return /^(ObjectRemoved|LifecycleExpiration|LifecycleDelMarkerExpiration):/.test(name) ? 'removed' : null
}

/** Notifications encode keys as forms do: `+` is a space, and `%2B` a plus. What cannot be decoded was not encoded. */
function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '))
  } catch {
    return key
  }
}

/**
 * Which of two events of one key came later: positive if `a` did. The shorter sequencer is padded with zeros on its right, then they are
 * compared as text (docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html).
 */
export function compareSequencers(a: string, b: string): number {
  const length = Math.max(a.length, b.length)
  const [x, y] = [a.toUpperCase().padEnd(length, '0'), b.toUpperCase().padEnd(length, '0')]
  return x < y ? -1 : x > y ? 1 : 0
}

function optional(object: Json, names: Readonly<Record<string, string>>): Pick<ObjectEvent, 'sequencer' | 'versionId' | 'etag'> {
  return Object.fromEntries(Object.entries(names).flatMap(([from, to]) => (typeof object[from] === 'string' && object[from] !== '' ? [[to, object[from]]] : [])))
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new WindlassError('invalid', `a message is no JSON: ${JSON.stringify(text.slice(0, 100))}`, { cause })
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function unknownMessage(value: unknown): WindlassError {
  return new WindlassError('invalid', `a message is none of S3, SNS or EventBridge: ${JSON.stringify(value)?.slice(0, 200)}`)
}
