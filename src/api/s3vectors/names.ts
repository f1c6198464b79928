import { WindlassError } from '../../base/errors.ts'
import { S3VectorsError } from './errors.ts'

/** Whose buckets these are: parts of every ARN. */
export interface Account {
  readonly region: string
  readonly accountId: string
}

/** An index by its two names. */
export interface IndexName {
  readonly bucket: string
  readonly index: string
}

const namePattern = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

export function bucketArn({ region, accountId }: Account, bucket: string): string {
  return `arn:aws:s3vectors:${region}:${accountId}:bucket/${bucket}`
}

export function indexArn(account: Account, { bucket, index }: IndexName): string {
  return `${bucketArn(account, bucket)}/index/${index}`
}

/** The collection of an index: both names with a slash between, which neither can hold. */
export function collectionOf({ bucket, index }: IndexName): string {
  return `${bucket}/${index}`
}

/** The index that a collection is seen as; null for a name that no index can have. */
export function indexOf(collection: string): IndexName | null {
  const [bucket = '', index = '', ...rest] = collection.split('/')
  return rest.length === 0 && namePattern.test(bucket) && namePattern.test(index) ? { bucket, index } : null
}

interface BucketInput {
  readonly vectorBucketName?: string
  readonly vectorBucketArn?: string
}

/** The bucket that a request means, by name or ARN. */
export function bucketOfInput({ vectorBucketName, vectorBucketArn }: BucketInput, account: Account): string {
  if ((vectorBucketName === undefined) === (vectorBucketArn === undefined)) throw invalid('Must specify either vectorBucketName or vectorBucketArn but not both')
  if (vectorBucketArn === undefined) return checkName(vectorBucketName!, 'Invalid vector bucket name')
  return partsOfArn(vectorBucketArn, account).bucket
}

/** The index that a request means, by names or ARN. */
export function indexOfInput(input: { readonly vectorBucketName?: string; readonly indexName?: string; readonly indexArn?: string }, account: Account): IndexName {
  const { vectorBucketName, indexName, indexArn: arn } = input
  const hasNames = vectorBucketName !== undefined && indexName !== undefined
  const hasAnyName = vectorBucketName !== undefined || indexName !== undefined
  if (arn === undefined ? !hasNames : hasAnyName) throw invalid('Must specify either indexArn or both vectorBucketName and indexName')
  if (arn === undefined) return { bucket: checkName(vectorBucketName!, 'Invalid vector bucket name'), index: checkName(indexName!, 'Invalid index name') }
  const { bucket, index } = partsOfArn(arn, account)
  if (index === undefined) throw invalid('Invalid index ARN')
  return { bucket, index }
}

/** What an ARN names. @throws {S3VectorsError} for another region or account, which are not here. */
export function partsOfArn(arn: string, { region, accountId }: Account): { bucket: string; index?: string } {
  const match = /^arn:aws[-a-z0-9]*:s3vectors:([a-z0-9-]+):(\d{12}):bucket\/([^/]+)(?:\/index\/([^/]+))?$/.exec(arn)
  if (!match || !namePattern.test(match[3]!) || (match[4] !== undefined && !namePattern.test(match[4]))) throw invalid(`Invalid ARN: ${arn.slice(0, 200)}`)
  if (match[1] !== region || match[2] !== accountId) throw new S3VectorsError('NotFoundException', `This endpoint serves region ${region} and account ${accountId}, the ARN names ${match[1]} and ${match[2]}`)
  return { bucket: match[3]!, ...(match[4] !== undefined && { index: match[4] }) }
}

/** @throws {S3VectorsError} `ValidationException` with `message`. */
export function checkName(name: string, message: string): string {
  if (!namePattern.test(name)) throw invalid(message)
  return name
}

function invalid(message: string): S3VectorsError {
  return new S3VectorsError('ValidationException', message)
}

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** Ids begin with their time, as ULIDs do: 48 bits in ten characters. */
export function timeOfId(id: string): number {
  let time = 0
  for (const char of id.slice(0, 10)) {
    const digit = alphabet.indexOf(char)
    if (digit < 0) throw new WindlassError('corrupt', `collection id ${JSON.stringify(id)} is none that we make`)
    time = time * 32 + digit
  }
  return time
}
