import { Access, openAccess, type AccessKey, type Role } from '../access.ts'
import { SignatureError, verifySignature, type SignedRequest } from '../sigv4.ts'
import type { OperationContext } from './context.ts'
import { S3VectorsError } from './errors.ts'
import type { OperationName } from './model.ts'
import { bucketArn, bucketOfInput, collectionOf, indexArn, indexOfInput, partsOfArn, type IndexName } from './names.ts'
import { evaluatePolicy, parsePolicy } from './policy.ts'
import { findBucket } from './vector-bucket.ts'

/** Least role of a key for each operation, where no policy says otherwise. */
const roles: Record<OperationName, Role> = {
  CreateVectorBucket: 'admin',
  GetVectorBucket: 'read',
  ListVectorBuckets: 'read',
  DeleteVectorBucket: 'admin',
  PutVectorBucketPolicy: 'admin',
  GetVectorBucketPolicy: 'admin',
  DeleteVectorBucketPolicy: 'admin',
  PutVectorBucketDefaultIndexMode: 'admin',
  CreateIndex: 'admin',
  GetIndex: 'read',
  ListIndexes: 'read',
  DeleteIndex: 'admin',
  UpdateIndexMode: 'admin',
  UpdateMetadataConfiguration: 'admin',
  PutVectors: 'write',
  GetVectors: 'read',
  DeleteVectors: 'write',
  ListVectors: 'read',
  QueryVectors: 'read',
  ListTagsForResource: 'read',
  TagResource: 'admin',
  UntagResource: 'admin',
}

/** Who signed a request. @throws {S3VectorsError} with the code of what is wrong with the signature. */
export function identify(request: SignedRequest, keys: readonly AccessKey[], clock: OperationContext['clock']): Access {
  if (keys.length === 0) return openAccess
  try {
    const { id, role, collections } = verifySignature(request, keys, { service: 's3vectors', clock })
    return new Access(id, role, collections)
  } catch (error) {
    if (error instanceof SignatureError) throw new S3VectorsError(error.code, error.message)
    throw error
  }
}

interface Target {
  readonly resource: string
  readonly bucket: string | null
  readonly index: IndexName | null
}

/** What a request is about. @throws {S3VectorsError} for names that cannot be. */
function targetOf(operation: OperationName, input: Readonly<Record<string, unknown>>, { account }: OperationContext): Target {
  if (operation === 'ListVectorBuckets') return { resource: '*', bucket: null, index: null }
  if (typeof input.resourceArn === 'string') {
    const { bucket, index } = partsOfArn(input.resourceArn, account)
    return { resource: input.resourceArn, bucket, index: index === undefined ? null : { bucket, index } }
  }
  const isOfIndex = operation.includes('Vectors') || ['GetIndex', 'DeleteIndex', 'UpdateIndexMode', 'UpdateMetadataConfiguration'].includes(operation)
  if (isOfIndex && operation !== 'CreateIndex') {
    const index = indexOfInput(input, account)
    return { resource: indexArn(account, index), bucket: index.bucket, index }
  }
  const bucket = bucketOfInput(input, account)
  const indexName = operation === 'CreateIndex' ? String(input.indexName) : null
  const index = indexName === null ? null : { bucket, index: indexName }
  return { resource: index ? indexArn(account, index) : bucketArn(account, bucket), bucket, index }
}

/**
 * Whether the caller may: its role and collections, and what the bucket's policy adds or takes away. As in one account of AWS, either may
 * allow, and a Deny of the policy wins.
 * @throws {S3VectorsError} `AccessDeniedException`.
 */
export async function authorize(operation: OperationName, input: Readonly<Record<string, unknown>>, context: OperationContext): Promise<void> {
  const { access } = context
  if (access === openAccess) return
  const target = targetOf(operation, input, context)
  for (const needed of permissionsOf(operation, input)) await authorizeOne(needed, target, context)
}

/** A filter, metadata or text in the question reveals what GetVectors would. */
function permissionsOf(operation: OperationName, input: Readonly<Record<string, unknown>>): OperationName[] {
  const revealing = operation === 'QueryVectors' ? (input.filter ?? input.queryTexts ?? (input.returnMetadata || undefined)) : operation === 'ListVectors' ? input.returnData || input.returnMetadata || undefined : undefined
  return revealing === undefined ? [operation] : [operation, 'GetVectors']
}

async function authorizeOne(operation: OperationName, { resource, bucket, index }: Target, context: OperationContext): Promise<void> {
  const { access, account, sourceIp, isSecure } = context
  const principal = `arn:aws:iam::${account.accountId}:user/${access.keyId}`
  const deny = () => new S3VectorsError('AccessDeniedException', `User: ${principal} is not authorized to perform: s3vectors:${operation} on resource: ${resource}`)
  const policy = bucket === null ? null : (await findBucket(bucket, context))?.settings.policy
  const verdict = policy
    ? evaluatePolicy(parsePolicy(policy), {
        principal,
        accountId: account.accountId,
        action: `s3vectors:${operation}`,
        resource,
        context: {
          'aws:sourceip': sourceIp,
          'aws:securetransport': String(isSecure),
          'aws:username': access.keyId,
          'aws:principalarn': principal,
          'aws:principalaccount': account.accountId,
        },
      })
    : null
  if (verdict === 'Deny') throw deny()
  if (verdict === 'Allow') return
  try {
    access.require(roles[operation], index ? collectionOf(index) : undefined)
  } catch {
    throw deny()
  }
  // A key for some collections acts on buckets only if it reaches whatever lies in them.
  if (!index && bucket !== null && !access.reaches(`${bucket}/`) && roles[operation] !== 'read') throw deny()
}
