import { isWindlassError } from '../../../base/errors.ts'
import type { JsonValue } from '../../../library/types.ts'
import type { Operation, OperationContext } from '../context.ts'
import { S3VectorsError } from '../errors.ts'
import { bucketOfInput, checkName, collectionOf, indexArn, indexOf, indexOfInput, type IndexName } from '../names.ts'
import { decodeToken, encodeToken } from '../tokens.ts'
import { checkEncryption, findBucket, getBucket, type Encryption, type IndexMode } from '../vector-bucket.ts'
import { describeIndex, getIndex, settingsOf, textFieldsOf, underNotFound, updateIndex, type IndexSettings, type TextSearch } from '../vector-index.ts'
import { checkTags } from './tags.ts'

interface IndexInput {
  readonly vectorBucketName?: string
  readonly indexName?: string
  readonly indexArn?: string
}

interface CreateIndexInput {
  readonly vectorBucketName?: string
  readonly vectorBucketArn?: string
  readonly indexName: string
  readonly dimension: number
  readonly distanceMetric: 'euclidean' | 'cosine'
  readonly metadataConfiguration?: { readonly nonFilterableMetadataKeys?: readonly string[]; readonly textSearchConfigurations?: readonly TextSearch[] }
  readonly encryptionConfiguration?: Encryption
  readonly tags?: Record<string, string>
}

const textSearchMax = 10

const createIndex = async (input: CreateIndexInput, context: OperationContext) => {
  const name: IndexName = { bucket: bucketOfInput(input, context.account), index: checkName(input.indexName, 'Invalid index name') }
  const { dimension, distanceMetric: metric, metadataConfiguration = {}, tags = {} } = input
  const { nonFilterableMetadataKeys: nonFilterableKeys = [], textSearchConfigurations = [] } = metadataConfiguration
  if (new Set(nonFilterableKeys).size < nonFilterableKeys.length) throw new S3VectorsError('ValidationException', 'nonFilterableMetadataKeys must be unique')
  const bucket = await getBucket(name.bucket, context)
  const textSearch = checkTextSearch(textSearchConfigurations)
  const mode = bucket.settings.defaultIndexMode
  if (mode === 'CLASSIC' && textSearch.length > 0) throw new S3VectorsError('ValidationException', 'Text search needs an index in ENHANCED mode')
  const settings: IndexSettings = {
    createdAt: context.clock.now(),
    encryption: checkEncryption(input.encryptionConfiguration, bucket.settings.encryption),
    mode,
    tags: checkTags(tags, context.quotas),
    textSearch,
  }
  await checkIndexQuota(name.bucket, context)
  try {
    await context.bucket.createCollection(collectionOf(name), { dimension, metric, nonFilterableKeys, textFields: textFieldsOf(textSearch), custom: { s3vectors: settings as unknown as JsonValue } })
  } catch (error) {
    if (isWindlassError(error, 'conflict')) throw new S3VectorsError('ConflictException', 'An index with the specified name already exists')
    throw error
  }
  // The bucket may have begun to close between the look and the making (docs/protocol.md, H4).
  if (!(await findBucket(name.bucket, context))) {
    await context.bucket.dropCollection(collectionOf(name))
    await getBucket(name.bucket, context)
  }
  return { indexArn: indexArn(context.account, name) }
}

const getIndexOperation = async (input: IndexInput, context: OperationContext) => ({
  index: describeIndex(await getIndex(indexOfInput(input, context.account), context), context),
})

const listIndexes = async (input: { vectorBucketName?: string; vectorBucketArn?: string; maxResults?: number; nextToken?: string; prefix?: string }, context: OperationContext) => {
  const { maxResults = 500, nextToken, prefix = '' } = input
  const bucket = bucketOfInput(input, context.account)
  await getBucket(bucket, context)
  const question = { of: 'indexes', bucket, prefix }
  const after = nextToken === undefined ? undefined : String(decodeToken(nextToken, question).after)
  const { collections, next } = await context.bucket.listCollections({ prefix: `${bucket}/${prefix}`, limit: maxResults, ...(after !== undefined && { after }) })
  const indexes = await Promise.all(
    collections.map(async ({ name: collectionName }) => {
      const name = indexOf(collectionName)
      if (!name || !context.access.reaches(collectionName)) return []
      const collection = await context.bucket.collection(collectionName).catch((error: unknown) => {
        if (isWindlassError(error, 'not-found')) return null
        throw error
      })
      if (!collection) return []
      const { createdAt } = settingsOf(collection, (await collection.stats()).schema)
      return [{ vectorBucketName: bucket, indexName: name.index, indexArn: indexArn(context.account, name), creationTime: createdAt / 1000 }]
    }),
  )
  return { indexes: indexes.flat(), ...(next !== undefined && { nextToken: encodeToken({ ...question, after: next }) }) }
}

const deleteIndex = async (input: IndexInput, context: OperationContext) => {
  const name = indexOfInput(input, context.account)
  await underNotFound(() => context.bucket.dropCollection(collectionOf(name)))
  return {}
}

const updateIndexMode = async (input: IndexInput & { indexMode: IndexMode }, context: OperationContext) => {
  const index = await getIndex(indexOfInput(input, context.account), context)
  if (input.indexMode === 'CLASSIC' && index.settings.textSearch.length > 0) throw new S3VectorsError('ValidationException', 'An index with text search cannot be in CLASSIC mode')
  await updateIndex(index, () => ({ mode: input.indexMode }))
  return {}
}

interface TextSearchChange {
  readonly textSearchConfigurations?: readonly TextSearch[]
}

const updateMetadataConfiguration = async (input: IndexInput & { add?: TextSearchChange; delete?: TextSearchChange }, context: OperationContext) => {
  if ((input.add === undefined) === (input.delete === undefined)) throw new S3VectorsError('ValidationException', 'Must specify either add or delete but not both')
  const index = await getIndex(indexOfInput(input, context.account), context)
  if (index.settings.mode === 'CLASSIC') throw new S3VectorsError('ValidationException', 'Text search needs an index in ENHANCED mode')
  const added = checkTextSearch(input.add?.textSearchConfigurations ?? [])
  const deleted = (input.delete?.textSearchConfigurations ?? []).map(({ metadataKey }) => metadataKey)
  await updateIndex(index, ({ textSearch }) => {
    const known = new Set(textSearch.map(({ metadataKey }) => metadataKey))
    const twice = added.find(({ metadataKey }) => known.has(metadataKey))
    if (twice) throw new S3VectorsError('ConflictException', `Text search is already configured for metadata key '${twice.metadataKey}'`)
    const missing = deleted.find((key) => !known.has(key))
    if (missing !== undefined) throw new S3VectorsError('NotFoundException', `Text search is not configured for metadata key '${missing}'`)
    const changed = [...textSearch.filter(({ metadataKey }) => !deleted.includes(metadataKey)), ...added]
    if (changed.length > textSearchMax) throw new S3VectorsError('ValidationException', `An index may have at most ${textSearchMax} text search configurations`)
    return { textSearch: changed }
  })
  return { indexArn: indexArn(context.account, index) }
}

function checkTextSearch(configurations: readonly TextSearch[]): TextSearch[] {
  const keys = configurations.map(({ metadataKey }) => metadataKey)
  if (new Set(keys).size < keys.length) throw new S3VectorsError('ValidationException', 'metadataKey of textSearchConfigurations must be unique')
  return configurations.map(({ metadataKey, language }) => ({ metadataKey, ...(language !== undefined && { language }) }))
}

/** The list stops as soon as the bound is reached; below a thousand indexes it is one page. */
async function checkIndexQuota(bucket: string, context: OperationContext): Promise<void> {
  let count = 0
  for (let after: string | undefined; ; ) {
    const { collections, next } = await context.bucket.listCollections({ prefix: `${bucket}/`, limit: 1000, ...(after !== undefined && { after }) })
    count += collections.length
    if (count >= context.quotas.indexesPerBucket) throw new S3VectorsError('ServiceQuotaExceededException', `You have reached the limit of ${context.quotas.indexesPerBucket} indexes per vector bucket`)
    if (next === undefined) return
    after = next
  }
}

/** Operations on indexes. */
export const indexOperations = {
  CreateIndex: createIndex,
  GetIndex: getIndexOperation,
  ListIndexes: listIndexes,
  DeleteIndex: deleteIndex,
  UpdateIndexMode: updateIndexMode,
  UpdateMetadataConfiguration: updateMetadataConfiguration,
} satisfies Record<string, Operation>
