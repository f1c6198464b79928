import { isWindlassError } from '../../base/errors.ts'
import type { JsonValue, Namespace } from '../../library/types.ts'
import type { OperationContext } from './context.ts'
import { S3VectorsError } from './errors.ts'
import { bucketArn, indexOf, timeOfId } from './names.ts'

export type IndexMode = 'CLASSIC' | 'ENHANCED'

export interface Encryption {
  readonly sseType?: string
  readonly kmsKeyArn?: string
}

/** What is kept of a vector bucket besides its name and age. */
export interface BucketSettings {
  readonly encryption: Encryption
  readonly tags: Readonly<Record<string, string>>
  readonly policy: string | null
  readonly defaultIndexMode: IndexMode
}

export const bucketMissing = 'The specified vector bucket could not be found'
const initial: BucketSettings = { encryption: { sseType: 'AES256' }, tags: {}, policy: null, defaultIndexMode: 'ENHANCED' }

/** Vector buckets lie among the namespaces under a name of their own, which no tenant or database of another door can have. */
const namePrefix = 's3vectors/'

/** A vector bucket, or null: also where it is being removed. */
export async function findBucket(bucket: string, context: OperationContext): Promise<(Namespace & { settings: BucketSettings }) | null> {
  const found = await context.bucket.namespaces.find(namePrefix + bucket)
  if (found) return found.state === 'live' ? { ...found, settings: settingsOf(found) } : null
  // A collection that another door made under `<bucket>/` is an index of a bucket that nobody had to make.
  const { collections } = await context.bucket.listCollections({ prefix: `${bucket}/`, limit: 1 })
  const [first] = collections
  return first && indexOf(first.name) ? { name: namePrefix + bucket, createdAt: timeOfId(first.id), state: 'live', value: {}, settings: initial } : null
}

/** @throws {S3VectorsError} `NotFoundException` with AWS's own words. */
export async function getBucket(bucket: string, context: OperationContext, message = bucketMissing): Promise<Namespace & { settings: BucketSettings }> {
  const found = await findBucket(bucket, context)
  if (!found) throw new S3VectorsError('NotFoundException', message)
  return found
}

export async function createBucket(bucket: string, settings: Partial<BucketSettings>, context: OperationContext): Promise<void> {
  try {
    await context.bucket.namespaces.create(namePrefix + bucket, { ...initial, ...settings } as unknown as Record<string, JsonValue>)
  } catch (error) {
    if (isWindlassError(error, 'conflict')) throw new S3VectorsError('ConflictException', 'A vector bucket with the specified name already exists')
    throw error
  }
}

export async function updateBucket(bucket: string, change: (settings: BucketSettings) => Partial<BucketSettings>, context: OperationContext): Promise<void> {
  try {
    await context.bucket.namespaces.update(namePrefix + bucket, (namespace) => {
      const settings = settingsOf(namespace)
      return { ...namespace, value: { ...settings, ...change(settings) } as unknown as Record<string, JsonValue> }
    })
  } catch (error) {
    if (isWindlassError(error, 'not-found')) throw new S3VectorsError('NotFoundException', bucketMissing)
    throw error
  }
}

/** Removes an empty bucket; an index that is being made meanwhile is withdrawn by its maker. */
export async function removeBucket(bucket: string, context: OperationContext): Promise<void> {
  try {
    await context.bucket.namespaces.remove(namePrefix + bucket, async () => {
      const { collections } = await context.bucket.listCollections({ prefix: `${bucket}/`, limit: 1 })
      return collections.length === 0
    })
  } catch (error) {
    if (isWindlassError(error, 'conflict')) throw new S3VectorsError('ConflictException', 'The specified vector bucket is not empty')
    if (isWindlassError(error, 'not-found')) throw new S3VectorsError('NotFoundException', bucketMissing)
    throw error
  }
}

/** Names of buckets in order. */
export async function listBuckets(options: { prefix?: string; after?: string; limit: number }, context: OperationContext): Promise<{ names: string[]; next?: string }> {
  const { names, next } = await context.bucket.namespaces.list({
    start: namePrefix + (options.prefix ?? ''),
    limit: options.limit,
    ...(options.after !== undefined && { after: namePrefix + options.after }),
  })
  return { names: names.map((name) => name.slice(namePrefix.length)), ...(next !== undefined && { next: next.slice(namePrefix.length) }) }
}

export function describeBucket(bucket: string, { createdAt, settings }: Namespace & { settings: BucketSettings }, { account }: OperationContext): Record<string, unknown> {
  return {
    vectorBucketName: bucket,
    vectorBucketArn: bucketArn(account, bucket),
    creationTime: createdAt / 1000,
    encryptionConfiguration: settings.encryption,
    defaultIndexMode: settings.defaultIndexMode,
  }
}

function settingsOf({ value }: Namespace): BucketSettings {
  return { ...initial, ...(value as unknown as Partial<BucketSettings>) }
}

/** Checks what the model cannot say: a KMS key goes with `aws:kms` only. */
export function checkEncryption(encryption: Encryption | undefined, inherited: Encryption = initial.encryption): Encryption {
  if (!encryption) return inherited
  const { sseType = 'AES256', kmsKeyArn } = encryption
  if (sseType === 'AES256' && kmsKeyArn !== undefined) throw new S3VectorsError('ValidationException', 'kmsKeyArn may only be given with sseType aws:kms')
  if (sseType === 'aws:kms' && kmsKeyArn === undefined) throw new S3VectorsError('ValidationException', 'sseType aws:kms needs kmsKeyArn')
  return { sseType, ...(kmsKeyArn !== undefined && { kmsKeyArn }) }
}
