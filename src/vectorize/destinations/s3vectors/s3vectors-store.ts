import type * as Sdk from '@aws-sdk/client-s3vectors'
import { isWindlassError, messageOf, throwIfAborted, WindlassError, type ErrorKind } from '../../../base/errors.ts'
import { chunksOf } from '../../../base/groups.ts'
import type { Filter } from '../../../engine/query/filter.ts'
import { pointId, type FoundPoint, type Point, type PointName, type PointStore } from '../point-store.ts'
import { toVectorFilter } from './vector-filter.ts'
import { decodeVectorMetadata, encodeVectorMetadata, nonFilterableKeys } from './vector-metadata.ts'

/** Which index. */
export interface VectorIndexName {
  readonly bucket: string
  readonly index: string
  /** For errors; absent: AWS. */
  readonly endpoint?: string
}

interface Options {
  readonly signal?: AbortSignal | undefined
}

/** Limits of the service's requests. */
const putVectorsMax = 500
const getVectorsMax = 100
const listPageMax = 1000
/** Below the 20 MiB that a request may have, and below the 16 MiB of a commit of our own server. */
const putBytesMax = 12 * 1024 * 1024
/** A float32 in JSON: sign, point, nine digits, exponent, comma. */
const valueBytes = 16
/** How many versions of a document one search for leftovers sees. */
const leftoversMax = 100

/** An index of S3 Vectors: AWS's, our own, or another's. Lists of it read all of it: there is no other way to enumerate. */
export class S3VectorsStore implements PointStore {
  readonly name: string
  readonly knowsWords = false
  readonly isDelayed = false
  readonly #sdk: typeof Sdk
  readonly #client: Sdk.S3VectorsClient
  readonly #index: { readonly vectorBucketName: string; readonly indexName: string }
  #dimension = 0

  constructor(sdk: typeof Sdk, client: Sdk.S3VectorsClient, { bucket, index, endpoint }: VectorIndexName) {
    this.name = `s3vectors:${endpoint === undefined ? '' : `${endpoint.replace(/\/+$/, '')}/`}${bucket}/${index}`
    this.#sdk = sdk
    this.#client = client
    this.#index = { vectorBucketName: bucket, indexName: index }
  }

  async prepare({ dimension }: { dimension: number }): Promise<void> {
    const found = await this.#describe()
    if (!found) await this.#create(dimension)
    const { index } = found ?? (await this.#describe())!
    if (index?.dimension !== dimension) throw new WindlassError('invalid', `${this.name} takes vectors of ${index?.dimension} values, and the model makes ${dimension}: name another index`, { path: 'destinations' })
    if (index.distanceMetric !== 'cosine') throw new WindlassError('invalid', `${this.name} has the metric ${index.distanceMetric}, expected cosine: name another index`, { path: 'destinations' })
    // Not every server tells; where it does not, the first put of a long text does.
    const told = index.metadataConfiguration?.nonFilterableMetadataKeys
    const lacks = told ? nonFilterableKeys.filter((key) => !told.includes(key)) : []
    if (lacks.length > 0) throw new WindlassError('invalid', `${this.name} was made without non-filterable metadata keys ${lacks.join(' and ')}, which cannot be added: name another index, or let it be made`, { path: 'destinations' })
    this.#dimension = dimension
  }

  async put(points: readonly Point[], { signal }: Options = {}): Promise<void> {
    for (const vectors of this.#batches(points)) await this.#send('put vectors', (options) => this.#client.send(new this.#sdk.PutVectorsCommand({ ...this.#index, vectors }), options), signal)
  }

  async heads(documents: readonly string[], options: Options = {}): Promise<(Point | null)[]> {
    return this.#getAll(documents, { ...options, withVectors: false })
  }

  async get(names: readonly PointName[], { withVectors = false, signal }: Options & { withVectors?: boolean } = {}): Promise<(Point | null)[]> {
    const points = await this.#getAll(names.map(pointId), { withVectors, signal })
    // The head's id is the same in every version.
    return points.map((point, i) => (point?.version === names[i]!.version ? point : null))
  }

  async versions(document: string, except: readonly string[], { signal }: Options = {}): Promise<string[]> {
    const filter = { $and: [{ windlass: { $eq: document } }, { isHead: { $eq: false } }, ...except.map((version) => ({ version: { $ne: version } }))] }
    const input = { ...this.#index, topK: leftoversMax, queryVector: { float32: this.#placeholder() }, filter, returnMetadata: true }
    try {
      const { vectors = [] } = await this.#send('look for leftovers', (options) => this.#client.send(new this.#sdk.QueryVectorsCommand(input), options), signal)
      return [...new Set(vectors.flatMap(({ metadata }) => decodeVectorMetadata(metadata, null)?.version ?? []))]
    } catch (error) {
      // A server that cannot search keeps leftovers until `list` names them.
      if (isWindlassError(error, 'unsupported')) return []
      throw error
    }
  }

  async removeVersion(document: string, version: string, chunkCount: number | null, { signal }: Options = {}): Promise<void> {
    if (chunkCount !== null) return this.#delete(Array.from({ length: Math.max(0, chunkCount - 1) }, (_, i) => pointId({ document, version, index: i + 1 })), signal)
    const filter = { $and: [{ windlass: { $eq: document } }, { version: { $eq: version } }, { isHead: { $eq: false } }] }
    for (;;) {
      const input = { ...this.#index, topK: leftoversMax, queryVector: { float32: this.#placeholder() }, filter }
      const { vectors = [] } = await this.#send('look for leftovers', (options) => this.#client.send(new this.#sdk.QueryVectorsCommand(input), options), signal)
      await this.#delete(vectors.map(({ key }) => key!), signal)
      if (vectors.length < leftoversMax) return
    }
  }

  removeHead(document: string, { signal }: Options = {}): Promise<void> {
    return this.#delete([document], signal)
  }

  async *scan(vectorizer: string, { onlyHeads, signal }: Options & { onlyHeads: boolean }): AsyncIterable<readonly Point[]> {
    for (let nextToken: string | undefined; ; ) {
      const input = { ...this.#index, maxResults: listPageMax, returnMetadata: true, ...(nextToken !== undefined && { nextToken }) }
      const page = await this.#send('list vectors', (options) => this.#client.send(new this.#sdk.ListVectorsCommand(input), options), signal)
      const points = (page.vectors ?? []).flatMap(({ metadata }) => decodeVectorMetadata(metadata, null) ?? [])
      yield points.filter((point) => point.vectorizer === vectorizer && (point.head !== undefined || !onlyHeads))
      if (page.nextToken === undefined) return
      nextToken = page.nextToken
    }
  }

  async findByVector(vectorizer: string, vector: Float32Array, k: number, filter: Filter | undefined, { signal }: Options = {}): Promise<FoundPoint[]> {
    const input = { ...this.#index, topK: k, queryVector: { float32: toNumbers(vector) }, filter: toVectorFilter(vectorizer, filter) as Sdk.QueryVectorsInput['filter'], returnMetadata: true, returnDistance: true }
    const found: FoundPoint[] = []
    for (let nextToken: string | undefined; ; ) {
      const page = await this.#send('query vectors', (options) => this.#client.send(new this.#sdk.QueryVectorsCommand({ ...input, ...(nextToken !== undefined && { nextToken }) }), options), signal)
      for (const { metadata, distance } of page.vectors ?? []) {
        const point = decodeVectorMetadata(metadata, null)
        if (point) found.push({ point, distance: distance! })
      }
      if (page.nextToken === undefined || found.length >= k) return found
      nextToken = page.nextToken
    }
  }

  findByWords(): Promise<FoundPoint[]> {
    return Promise.resolve([])
  }

  close(): Promise<void> {
    this.#client.destroy()
    return Promise.resolve()
  }

  async #describe(): Promise<Sdk.GetIndexOutput | null> {
    try {
      return await this.#send('describe', (options) => this.#client.send(new this.#sdk.GetIndexCommand(this.#index), options))
    } catch (error) {
      if (isWindlassError(error, 'not-found')) return null
      throw error
    }
  }

  /** Others may make it at the same time: what is there already is as good. */
  async #create(dimension: number): Promise<void> {
    const { vectorBucketName } = this.#index
    const sdk = this.#sdk
    const unlessThere = (error: unknown) => {
      if (!isWindlassError(error, 'conflict')) throw error
    }
    const create = () => this.#send('create the index', (options) => this.#client.send(new sdk.CreateIndexCommand({ ...this.#index, dataType: 'float32', dimension, distanceMetric: 'cosine', metadataConfiguration: { nonFilterableMetadataKeys: [...nonFilterableKeys] } }), options))
    try {
      await create()
    } catch (error) {
      if (!isWindlassError(error, 'not-found')) return unlessThere(error)
      await this.#send('create the vector bucket', (options) => this.#client.send(new sdk.CreateVectorBucketCommand({ vectorBucketName }), options)).catch(unlessThere)
      await create().catch(unlessThere)
    }
  }

  async #getAll(keys: readonly string[], { withVectors, signal }: Options & { withVectors: boolean }): Promise<(Point | null)[]> {
    const found = new Map<string, Point | null>()
    await Promise.all(
      chunksOf([...new Set(keys)], getVectorsMax).map(async (part) => {
        const { vectors = [] } = await this.#send('get vectors', (options) => this.#client.send(new this.#sdk.GetVectorsCommand({ ...this.#index, keys: part, returnData: withVectors, returnMetadata: true }), options), signal)
        for (const { key, data, metadata } of vectors) found.set(key!, decodeVectorMetadata(metadata, data?.float32 ? Float32Array.from(data.float32) : null))
      }),
    )
    return keys.map((key) => found.get(key) ?? null)
  }

  async #delete(keys: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    for (const part of chunksOf(keys, putVectorsMax)) await this.#send('delete vectors', (options) => this.#client.send(new this.#sdk.DeleteVectorsCommand({ ...this.#index, keys: part }), options), signal)
  }

  *#batches(points: readonly Point[]): Iterable<Sdk.PutInputVector[]> {
    let batch: Sdk.PutInputVector[] = []
    let bytes = 0
    for (const point of points) {
      const metadata = encodeVectorMetadata(point)
      const size = (point.vector?.length ?? this.#dimension) * valueBytes + Buffer.byteLength(JSON.stringify(metadata)) + 200
      if (batch.length === putVectorsMax || (batch.length > 0 && bytes + size > putBytesMax)) {
        yield batch
        batch = []
        bytes = 0
      }
      batch.push({ key: pointId(point), data: { float32: point.vector ? toNumbers(point.vector) : this.#placeholder() }, metadata })
      bytes += size
    }
    if (batch.length > 0) yield batch
  }

  /** What stands for no vector: cosine knows no direction of zeros, and every vector must be one. */
  #placeholder(): number[] {
    return Array.from({ length: this.#dimension }, (_, i) => (i === 0 ? 1 : 0))
  }

  async #send<Output>(operation: string, call: (options: { abortSignal?: AbortSignal }) => Promise<Output>, signal?: AbortSignal): Promise<Output> {
    throwIfAborted(signal)
    try {
      return await call(signal ? { abortSignal: signal } : {})
    } catch (error) {
      throwIfAborted(signal)
      throw toWindlassError(error, `${this.name}: ${operation}`)
    }
  }
}

/** Nine significant digits tell any two float32 apart (IEEE 754-2019, 5.12.2). */
function toNumbers(vector: Float32Array): number[] {
  return Array.from(vector, (value) => Number(value.toPrecision(9)))
}

const kinds: Readonly<Record<string, ErrorKind>> = {
  ValidationException: 'invalid',
  AccessDeniedException: 'denied',
  InvalidSignatureException: 'denied',
  SignatureDoesNotMatch: 'denied',
  UnrecognizedClientException: 'unauthenticated',
  ExpiredTokenException: 'unauthenticated',
  CredentialsProviderError: 'unauthenticated',
  NotFoundException: 'not-found',
  ConflictException: 'conflict',
  ServiceQuotaExceededException: 'too-large',
}

function toWindlassError(error: unknown, title: string): WindlassError {
  const { name = '', $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number; requestId?: string } }
  // Holds the request with its headers, of which some are credentials.
  if (error instanceof Error) Reflect.deleteProperty(error, '$response')
  const status = $metadata?.httpStatusCode
  // An answer of 404 without a name of the service's: it does not know the operation.
  const lacksRegion = /region is missing/i.test(messageOf(error))
  const kind = kinds[name] ?? (lacksRegion ? 'invalid' : status === 501 || status === 404 ? 'unsupported' : status === 403 ? 'denied' : 'unavailable')
  const remedy = lacksRegion ? ': set AWS_REGION, or name the region' : kind === 'unauthenticated' ? ': set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile' : ''
  const filterable = /filterable metadata/i.test(messageOf(error)) ? `: the index was made without non-filterable metadata keys ${nonFilterableKeys.join(' and ')}: name another, or let it be made` : ''
  const request = $metadata?.requestId === undefined ? '' : ` (request ${$metadata.requestId})`
  return new WindlassError(kind, `${title}: ${name === '' || name === 'Error' ? '' : `${name}: `}${messageOf(error)}${request}${remedy}${filterable}`, { cause: error, ...(status !== undefined && { status }) })
}
