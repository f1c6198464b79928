import type { Operation, OperationContext } from '../context.ts'
import { S3VectorsError } from '../errors.ts'
import { bucketArn, bucketOfInput, checkName } from '../names.ts'
import { parsePolicy } from '../policy.ts'
import { encodeToken, decodeToken } from '../tokens.ts'
import { checkEncryption, createBucket, describeBucket, findBucket, getBucket, listBuckets, removeBucket, updateBucket, type Encryption, type IndexMode } from '../vector-bucket.ts'
import { checkTags } from './tags.ts'

interface BucketInput {
  readonly vectorBucketName?: string
  readonly vectorBucketArn?: string
}

const createVectorBucket = async (input: { vectorBucketName: string; encryptionConfiguration?: Encryption; tags?: Record<string, string> }, context: OperationContext) => {
  const { vectorBucketName: name, encryptionConfiguration, tags = {} } = input
  checkName(name, 'Invalid vector bucket name')
  const encryption = checkEncryption(encryptionConfiguration)
  const { names } = await listBuckets({ limit: 1000 }, context)
  if (names.length >= context.quotas.vectorBuckets) throw new S3VectorsError('ServiceQuotaExceededException', `You have reached the limit of ${context.quotas.vectorBuckets} vector buckets`)
  await createBucket(name, { encryption, tags: checkTags(tags, context.quotas) }, context)
  return { vectorBucketArn: bucketArn(context.account, name) }
}

const getVectorBucket = async (input: BucketInput, context: OperationContext) => {
  const name = bucketOfInput(input, context.account)
  return { vectorBucket: describeBucket(name, await getBucket(name, context), context) }
}

const listVectorBuckets = async ({ maxResults = 500, nextToken, prefix }: { maxResults?: number; nextToken?: string; prefix?: string }, context: OperationContext) => {
  const question = { of: 'buckets', prefix: prefix ?? '' }
  const after = nextToken === undefined ? undefined : String(decodeToken(nextToken, question).after)
  const { names, next } = await listBuckets({ limit: maxResults, ...(prefix !== undefined && { prefix }), ...(after !== undefined && { after }) }, context)
  const found = await Promise.all(names.map(async (name) => ({ name, bucket: await findBucket(name, context) })))
  const vectorBuckets = found.flatMap(({ name, bucket }) =>
    bucket ? [{ vectorBucketName: name, vectorBucketArn: bucketArn(context.account, name), creationTime: bucket.createdAt / 1000 }] : [],
  )
  return { vectorBuckets, ...(next !== undefined && { nextToken: encodeToken({ ...question, after: next }) }) }
}

const deleteVectorBucket = async (input: BucketInput, context: OperationContext) => {
  await removeBucket(bucketOfInput(input, context.account), context)
  return {}
}

const putVectorBucketPolicy = async (input: BucketInput & { policy: string }, context: OperationContext) => {
  const name = bucketOfInput(input, context.account)
  parsePolicy(input.policy)
  await updateBucket(name, () => ({ policy: input.policy }), context)
  return {}
}

const getVectorBucketPolicy = async (input: BucketInput, context: OperationContext) => {
  const { settings } = await getBucket(bucketOfInput(input, context.account), context)
  if (settings.policy === null) throw new S3VectorsError('NotFoundException', 'The specified vector bucket policy could not be found')
  return { policy: settings.policy }
}

const deleteVectorBucketPolicy = async (input: BucketInput, context: OperationContext) => {
  await updateBucket(bucketOfInput(input, context.account), () => ({ policy: null }), context)
  return {}
}

const putVectorBucketDefaultIndexMode = async (input: BucketInput & { defaultIndexMode: IndexMode }, context: OperationContext) => {
  await updateBucket(bucketOfInput(input, context.account), () => ({ defaultIndexMode: input.defaultIndexMode }), context)
  return {}
}

/** Operations on vector buckets and their policies. */
export const bucketOperations = {
  CreateVectorBucket: createVectorBucket,
  GetVectorBucket: getVectorBucket,
  ListVectorBuckets: listVectorBuckets,
  DeleteVectorBucket: deleteVectorBucket,
  PutVectorBucketPolicy: putVectorBucketPolicy,
  GetVectorBucketPolicy: getVectorBucketPolicy,
  DeleteVectorBucketPolicy: deleteVectorBucketPolicy,
  PutVectorBucketDefaultIndexMode: putVectorBucketDefaultIndexMode,
} satisfies Record<string, Operation>
