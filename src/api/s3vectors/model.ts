// The input shapes of the service model 2025-07-15 (botocore 1.44.5, `s3vectors`). A test compares them with the model where it is
// installed.
import type { Shape } from './shapes.ts'

const text = (min?: number, max?: number, pattern?: string): Shape => ({
  type: 'string',
  ...(min !== undefined && { min }),
  ...(max !== undefined && { max }),
  ...(pattern !== undefined && { pattern }),
})
const oneOf = (...values: string[]): Shape => ({ type: 'string', values })
const integer = (min?: number, max?: number): Shape => ({ type: 'integer', ...(min !== undefined && { min }), ...(max !== undefined && { max }) })
const list = (of: Shape, min?: number, max?: number): Shape => ({ type: 'list', of, ...(min !== undefined && { min }), ...(max !== undefined && { max }) })
const structure = (members: Record<string, Shape>, ...required: string[]): Shape => ({ type: 'structure', members, required })
const boolean: Shape = { type: 'boolean' }
const document: Shape = { type: 'document' }

const arn = 'arn:aws[-a-z0-9]*:s3vectors:[a-z0-9-]+:[0-9]{12}:bucket/[a-z0-9][a-z0-9\\-.]{1,61}[a-z0-9]'
const bucket = { vectorBucketName: text(3, 63), vectorBucketArn: text(undefined, undefined, arn) }
const index = { vectorBucketName: text(3, 63), indexName: text(3, 63), indexArn: text(undefined, undefined, `${arn}/index/[a-z0-9][a-z0-9\\-.]{1,61}[a-z0-9]`) }
const key = text(1, 1024)
const metadataKey = text(1, 63)
const indexMode = oneOf('CLASSIC', 'ENHANCED')
const tagPattern = '([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)'
const tags: Shape = { type: 'map', key: text(1, 128, tagPattern), value: text(0, 256, tagPattern) }
const encryption = structure({ sseType: oneOf('AES256', 'aws:kms'), kmsKeyArn: text(1, 2048, '(arn:aws[-a-z0-9]*:kms:[-a-z0-9]*:[0-9]{12}:key/.+)') })
const textSearch = structure({ metadataKey, language: oneOf('en', 'fr', 'es', 'pt', 'it', 'de', 'nl', 'zh', 'ja', 'ko'), status: oneOf('ACTIVE', 'BUILDING') }, 'metadataKey')
const vector: Shape = { type: 'vector' }

/** What each operation takes. */
export const inputShapes = {
  CreateVectorBucket: structure({ vectorBucketName: text(3, 63), encryptionConfiguration: encryption, tags }, 'vectorBucketName'),
  GetVectorBucket: structure(bucket),
  ListVectorBuckets: structure({ maxResults: integer(1, 500), nextToken: text(1, 512), prefix: text(1, 63) }),
  DeleteVectorBucket: structure(bucket),
  PutVectorBucketPolicy: structure({ ...bucket, policy: text() }, 'policy'),
  GetVectorBucketPolicy: structure(bucket),
  DeleteVectorBucketPolicy: structure(bucket),
  PutVectorBucketDefaultIndexMode: structure({ ...bucket, defaultIndexMode: indexMode }, 'defaultIndexMode'),
  CreateIndex: structure(
    {
      ...bucket,
      indexName: text(3, 63),
      dataType: oneOf('float32'),
      dimension: integer(1, 4096),
      distanceMetric: oneOf('euclidean', 'cosine'),
      metadataConfiguration: structure({ nonFilterableMetadataKeys: list(metadataKey, 0, 10), textSearchConfigurations: list(textSearch, 0, 10) }),
      encryptionConfiguration: encryption,
      tags,
    },
    'indexName',
    'dataType',
    'dimension',
    'distanceMetric',
  ),
  GetIndex: structure(index),
  ListIndexes: structure({ ...bucket, maxResults: integer(1, 500), nextToken: text(1, 512), prefix: text(1, 63) }),
  DeleteIndex: structure(index),
  UpdateIndexMode: structure({ ...index, indexMode }, 'indexMode'),
  UpdateMetadataConfiguration: structure({
    ...index,
    add: structure({ textSearchConfigurations: list(textSearch, 0, 10) }),
    delete: structure({ textSearchConfigurations: list(structure({ metadataKey }, 'metadataKey'), 1, 10) }),
  }),
  PutVectors: structure({ ...index, vectors: list(structure({ key, data: vector, metadata: document }, 'key', 'data'), 1, 500) }, 'vectors'),
  GetVectors: structure({ ...index, keys: list(key, 1, 100), returnData: boolean, returnMetadata: boolean }, 'keys'),
  DeleteVectors: structure({ ...index, keys: list(key, 1, 500) }, 'keys'),
  ListVectors: structure({
    ...index,
    maxResults: integer(1, 1000),
    nextToken: text(1, 2048),
    segmentCount: integer(1, 16),
    segmentIndex: integer(0, 15),
    returnData: boolean,
    returnMetadata: boolean,
  }),
  QueryVectors: structure(
    {
      ...index,
      topK: integer(1),
      queryVector: vector,
      filter: document,
      queryMode: indexMode,
      returnMetadata: boolean,
      returnDistance: boolean,
      queryTexts: list(structure({ text: text(1, 1024), metadataKey }, 'text', 'metadataKey'), 1, 10),
      returnScores: boolean,
      nextToken: text(1, 4096),
    },
    'topK',
  ),
  ListTagsForResource: structure({ resourceArn: text(0, 1011) }, 'resourceArn'),
  TagResource: structure({ resourceArn: text(0, 1011), tags }, 'resourceArn', 'tags'),
  UntagResource: structure({ resourceArn: text(0, 1011), tagKeys: list(text(1, 128, tagPattern)) }, 'resourceArn', 'tagKeys'),
} as const satisfies Record<string, Shape>

/** The name of an operation. */
export type OperationName = keyof typeof inputShapes
