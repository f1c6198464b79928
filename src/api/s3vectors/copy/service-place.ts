import type * as Sdk from '@aws-sdk/client-s3vectors'
import { messageOf, WindlassError, type ErrorKind } from '../../../base/errors.ts'
import { chunksOf } from '../../../base/groups.ts'
import { loadOptional } from '../../../base/optional.ts'
import type { Metadata } from '../../../format/record.ts'
import type { IndexName } from '../names.ts'
import type { CopiedRecord, IndexPlace, IndexShape, Segment } from './index-place.ts'

/** Who answers, and who asks; what is absent comes from the AWS default chains. */
export interface ServiceSettings {
  readonly endpoint?: string
  readonly region?: string
  readonly profile?: string
  readonly maxAttempts?: number
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }
}

/** Limits of one request of the service. */
const keysMax = 100
const deleteMax = 500
const pageMax = 1000
// A throttled copy waits, it does not fail: `adaptive` lowers the rate of requests to what the service takes.
const retryMode = 'adaptive'

/** An index behind an S3 Vectors endpoint: AWS's, ours or another. */
export class ServicePlace implements IndexPlace {
  readonly title: string
  readonly keepsDocuments = false
  readonly segmentsMax = 16
  readonly #sdk: typeof Sdk
  readonly #client: Sdk.S3VectorsClient
  readonly #index: { readonly vectorBucketName: string; readonly indexName: string }

  private constructor(sdk: typeof Sdk, { bucket, index }: IndexName, settings: ServiceSettings) {
    const { endpoint, region, profile } = settings
    const where = [endpoint === undefined ? '' : ` at ${endpoint}`, region === undefined ? '' : ` in ${region}`, profile === undefined ? '' : ` as ${profile}`]
    this.title = `s3vectors://${bucket}/${index}${where.join('')}`
    this.#sdk = sdk
    this.#client = new sdk.S3VectorsClient({ ...settings, retryMode })
    this.#index = { vectorBucketName: bucket, indexName: index }
  }

  /** @throws {WindlassError} `missing-dependency` where the client is not installed. */
  static async open(name: IndexName, settings: ServiceSettings): Promise<ServicePlace> {
    return new ServicePlace(await loadOptional('@aws-sdk/client-s3vectors', () => import('@aws-sdk/client-s3vectors')), name, settings)
  }

  async describe(): Promise<IndexShape | null> {
    try {
      const { index } = await this.#send(() => this.#client.send(new this.#sdk.GetIndexCommand(this.#index)))
      // The text search of newer service models is read by clients that know it.
      const configuration = (index?.metadataConfiguration ?? {}) as { nonFilterableMetadataKeys?: string[]; textSearchConfigurations?: { metadataKey: string; language?: string }[] }
      const { nonFilterableMetadataKeys: nonFilterableKeys = [], textSearchConfigurations: textSearch = [] } = configuration
      return { dimension: index!.dimension!, metric: index!.distanceMetric!, nonFilterableKeys, textSearch: textSearch.map(({ metadataKey, language }) => ({ metadataKey, ...(language !== undefined && { language }) })) }
    } catch (error) {
      if (error instanceof WindlassError && error.kind === 'not-found') return null
      throw error
    }
  }

  async create({ dimension, metric, nonFilterableKeys, textSearch }: IndexShape): Promise<void> {
    if (metric === 'dot') throw new WindlassError('unsupported', 'the metric is dot, S3 Vectors has cosine and euclidean: normalize the vectors and use cosine', { path: 'metric' })
    const { vectorBucketName } = this.#index
    const sdk = this.#sdk
    await this.#send(() => this.#client.send(new sdk.CreateVectorBucketCommand({ vectorBucketName }))).catch((error: unknown) => {
      if (!(error instanceof WindlassError && error.kind === 'conflict')) throw error
    })
    const metadataConfiguration = {
      ...(nonFilterableKeys.length > 0 && { nonFilterableMetadataKeys: [...nonFilterableKeys] }),
      ...(textSearch.length > 0 && { textSearchConfigurations: textSearch }),
    } as Sdk.MetadataConfiguration
    const hasConfiguration = Object.keys(metadataConfiguration).length > 0
    await this.#send(() => this.#client.send(new sdk.CreateIndexCommand({ ...this.#index, dataType: 'float32', dimension, distanceMetric: metric, ...(hasConfiguration && { metadataConfiguration }) })))
  }

  /** The service does not tell. */
  count(): Promise<null> {
    return Promise.resolve(null)
  }

  async *list({ index, count }: Segment, include: 'keys' | 'records'): AsyncIterable<readonly CopiedRecord[]> {
    const whole = include === 'records'
    for (let nextToken: string | undefined; ; ) {
      const input = { ...this.#index, maxResults: pageMax, returnData: whole, returnMetadata: whole, ...(count > 1 && { segmentCount: count, segmentIndex: index }), ...(nextToken !== undefined && { nextToken }) }
      const page = await this.#send(() => this.#client.send(new this.#sdk.ListVectorsCommand(input)))
      yield (page.vectors ?? []).map(toRecord)
      if (page.nextToken === undefined) return
      nextToken = page.nextToken
    }
  }

  async get(keys: readonly string[]): Promise<CopiedRecord[]> {
    const parts = Array.from({ length: Math.ceil(keys.length / keysMax) }, (_, i) => keys.slice(i * keysMax, (i + 1) * keysMax))
    const found = await Promise.all(
      parts.map((part) => this.#send(() => this.#client.send(new this.#sdk.GetVectorsCommand({ ...this.#index, keys: part, returnData: true, returnMetadata: true })))),
    )
    return found.flatMap(({ vectors = [] }) => vectors.map(toRecord))
  }

  async put(records: readonly CopiedRecord[]): Promise<void> {
    const vectors = records.map(({ key, vector, metadata }) => ({ key, data: { float32: toNumbers(vector!) }, metadata: metadata as NonNullable<Sdk.PutInputVector['metadata']> }))
    await this.#send(() => this.#client.send(new this.#sdk.PutVectorsCommand({ ...this.#index, vectors })))
  }

  /** An absent key is no error. */
  async delete(keys: readonly string[]): Promise<void> {
    for (const part of chunksOf(keys, deleteMax)) await this.#send(() => this.#client.send(new this.#sdk.DeleteVectorsCommand({ ...this.#index, keys: part })))
  }

  async query(vector: Float32Array, k: number): Promise<string[]> {
    const { vectors = [] } = await this.#send(() => this.#client.send(new this.#sdk.QueryVectorsCommand({ ...this.#index, topK: k, queryVector: { float32: toNumbers(vector) } })))
    return vectors.map(({ key }) => key!)
  }

  close(): Promise<void> {
    this.#client.destroy()
    return Promise.resolve()
  }

  async #send<Output>(call: () => Promise<Output>): Promise<Output> {
    try {
      return await call()
    } catch (error) {
      throw toWindlassError(error, this.title)
    }
  }
}

/** Nine significant digits tell any two float32 apart (IEEE 754-2019, 5.12.2), and take half the bytes of the same value as a double. */
function toNumbers(vector: Float32Array): number[] {
  return Array.from(vector, (value) => Number(value.toPrecision(9)))
}

function toRecord({ key, data, metadata }: Sdk.ListOutputVector): CopiedRecord {
  return { key: key!, vector: data?.float32 ? Float32Array.from(data.float32) : null, metadata: (metadata ?? {}) as Metadata }
}

const kinds: Readonly<Record<string, ErrorKind>> = {
  ValidationException: 'invalid',
  AccessDeniedException: 'denied',
  InvalidSignatureException: 'denied',
  SignatureDoesNotMatch: 'denied',
  UnrecognizedClientException: 'unauthenticated',
  MissingAuthenticationTokenException: 'unauthenticated',
  ExpiredTokenException: 'unauthenticated',
  CredentialsProviderError: 'unauthenticated',
  NotFoundException: 'not-found',
  ConflictException: 'conflict',
  ServiceQuotaExceededException: 'too-large',
  TooManyRequestsException: 'unavailable',
  ServiceUnavailableException: 'unavailable',
  RequestTimeoutException: 'unavailable',
  InternalServerException: 'unavailable',
}

function toWindlassError(error: unknown, title: string): WindlassError {
  const { name = '', $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number; requestId?: string } }
  const lacksRegion = /region is missing/i.test(messageOf(error))
  const kind = kinds[name] ?? ($metadata?.httpStatusCode === undefined && !lacksRegion ? 'unavailable' : 'invalid')
  const credentialsRemedy = kind === 'unauthenticated' ? ': set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile; a Windlass server without keys takes any' : ''
  const remedy = lacksRegion ? ': set AWS_REGION, or name the region' : credentialsRemedy
  const request = $metadata?.requestId === undefined ? '' : ` (request ${$metadata.requestId})`
  const status = $metadata?.httpStatusCode
  return new WindlassError(kind, `${title}: ${name === '' || name === 'Error' ? '' : `${name}: `}${messageOf(error)}${request}${remedy}`, { cause: error, ...(status !== undefined && { status }) })
}
