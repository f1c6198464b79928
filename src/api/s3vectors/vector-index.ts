import { isWindlassError } from '../../base/errors.ts'
import type { Collection, CollectionSchema, JsonValue } from '../../library/types.ts'
import type { OperationContext } from './context.ts'
import { S3VectorsError } from './errors.ts'
import { collectionOf, indexArn, timeOfId, type IndexName } from './names.ts'
import type { Encryption, IndexMode } from './vector-bucket.ts'

export interface TextSearch {
  readonly metadataKey: string
  readonly language?: string
}

/** What is kept of an index in its collection's schema, besides what the engine needs. */
export interface IndexSettings {
  readonly createdAt: number
  readonly encryption: Encryption
  readonly mode: IndexMode
  readonly tags: Readonly<Record<string, string>>
  readonly textSearch: readonly TextSearch[]
}

export const indexMissing = 'The specified index could not be found'

/** An index as it is now. */
export interface VectorIndex extends IndexName {
  readonly collection: Collection
  readonly schema: CollectionSchema
  readonly settings: IndexSettings
}

/** @throws {S3VectorsError} `NotFoundException`, also when the bucket is missing. */
export async function getIndex(name: IndexName, context: OperationContext): Promise<VectorIndex> {
  return underNotFound(async () => {
    const collection = await context.bucket.collection(collectionOf(name))
    const { schema } = await collection.stats()
    return { ...name, collection, schema, settings: settingsOf(collection, schema) }
  })
}

/**
 * How fresh a read after `getIndex` in the same request must be. That look has seen everything acknowledged before the request began,
 * and a view never goes back: a second look would cost two requests to the store and prove nothing more.
 */
export const sinceIndex = 'eventual' as const

/** As `getIndex`, where only records are wanted: no look at the schema, which costs a round trip. */
export async function getCollection(name: IndexName, context: OperationContext): Promise<Collection> {
  return underNotFound(() => context.bucket.collection(collectionOf(name)))
}

/** An index that goes while it is used is missing, not an internal matter. */
export async function underNotFound<Value>(task: () => Promise<Value>): Promise<Value> {
  try {
    return await task()
  } catch (error) {
    if (isWindlassError(error, 'not-found')) throw new S3VectorsError('NotFoundException', indexMissing)
    throw error
  }
}

/** The settings of a collection; one that another door made has the defaults, and the age of its id. */
export function settingsOf({ id }: Collection, { custom }: CollectionSchema): IndexSettings {
  const kept = (custom.s3vectors ?? {}) as unknown as Partial<IndexSettings>
  return { createdAt: timeOfId(id), encryption: { sseType: 'AES256' }, mode: 'ENHANCED', tags: {}, textSearch: [], ...kept }
}

export async function updateIndex(index: VectorIndex, change: (settings: IndexSettings) => Partial<IndexSettings>): Promise<void> {
  const { collection } = index
  await underNotFound(() =>
    collection.update((schema) => {
      const old = settingsOf(collection, schema)
      const settings = { ...old, ...change(old) }
      return {
        custom: { ...schema.custom, s3vectors: settings as unknown as JsonValue },
        ...(settings.textSearch !== old.textSearch && { textFields: textFieldsOf(settings.textSearch) }),
      }
    }),
  )
}

const languages: Readonly<Record<string, string>> = { en: 'english', fr: 'french', es: 'spanish', pt: 'portuguese', it: 'italian', de: 'german', nl: 'dutch' }

/** Text fields of the collection. Languages without a stemmer of ours get the analyzer that only cuts words. */
export function textFieldsOf(textSearch: readonly TextSearch[]): { field: string; language: string }[] {
  return textSearch.map(({ metadataKey, language }) => ({ field: metadataKey, language: languages[language ?? ''] ?? 'none' }))
}

export function describeIndex({ bucket, index, schema, settings }: VectorIndex, { account }: OperationContext): Record<string, unknown> {
  const textSearchConfigurations = settings.textSearch.map((each) => ({ ...each, status: 'ACTIVE' }))
  const { nonFilterableKeys } = schema
  const hasConfiguration = nonFilterableKeys.length > 0 || textSearchConfigurations.length > 0
  return {
    vectorBucketName: bucket,
    indexName: index,
    indexArn: indexArn(account, { bucket, index }),
    creationTime: settings.createdAt / 1000,
    dataType: 'float32',
    dimension: schema.dimension ?? 1,
    distanceMetric: schema.metric === 'euclidean' ? 'euclidean' : 'cosine',
    ...(hasConfiguration && {
      metadataConfiguration: {
        ...(nonFilterableKeys.length > 0 && { nonFilterableMetadataKeys: nonFilterableKeys }),
        ...(textSearchConfigurations.length > 0 && { textSearchConfigurations }),
      },
    }),
    encryptionConfiguration: settings.encryption,
    indexMode: settings.mode,
  }
}
