// AWS's own client of S3 Vectors, at our server: node s3vectors-js/put-and-query.mjs
import { CreateIndexCommand, CreateVectorBucketCommand, PutVectorsCommand, QueryVectorsCommand, S3VectorsClient } from '@aws-sdk/client-s3vectors'

// Our server; one without keys takes any. At AWS: no endpoint, no credentials (those of this machine are found), a region of yours.
const endpoint = process.env.WINDLASS_URL ?? 'http://127.0.0.1:8900'
const client = new S3VectorsClient({ region: 'us-east-1', endpoint, credentials: { accessKeyId: 'any', secretAccessKey: 'any' } })
const index = { vectorBucketName: 'example-js', indexName: 'colours' }
const unlessThere = (error) => {
  if (error.name !== 'ConflictException') throw error
}

await client.send(new CreateVectorBucketCommand({ vectorBucketName: index.vectorBucketName })).catch(unlessThere)
await client.send(new CreateIndexCommand({ ...index, dataType: 'float32', dimension: 3, distanceMetric: 'cosine' })).catch(unlessThere)
const vectors = [
  { key: 'red', data: { float32: [1, 0, 0] }, metadata: { warm: true } },
  { key: 'blue', data: { float32: [0, 0, 1] }, metadata: { warm: false } },
]
await client.send(new PutVectorsCommand({ ...index, vectors }))
const found = await client.send(new QueryVectorsCommand({ ...index, topK: 1, queryVector: { float32: [0.6, 0, 0.5] }, filter: { warm: true }, returnMetadata: true }))
console.log(`nearest warm colour: ${found.vectors[0].key}`)
