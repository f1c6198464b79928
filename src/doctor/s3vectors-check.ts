import type * as Sdk from '@aws-sdk/client-s3vectors'
import { messageOf, isWindlassError } from '../base/errors.ts'
import { loadOptional } from '../base/optional.ts'
import { parseEngine } from '../vectorize/destinations/parse-engine.ts'
import { ok, problem, type Check, type DoctorContext, type Finding } from './check.ts'

/** Where else to look when a region has no S3 Vectors: any list of regions is old one day, so each is asked. */
const regions = ['us-east-1', 'us-east-2', 'us-west-2', 'ca-central-1', 'sa-east-1', 'eu-central-1', 'eu-west-1', 'eu-west-2', 'eu-west-3', 'eu-north-1', 'eu-south-2', 'ap-south-1', 'ap-southeast-1', 'ap-southeast-2', 'ap-northeast-1', 'ap-northeast-2'] as const

interface Target {
  readonly bucket: string
  readonly index: string
  /** Absent: AWS. */
  readonly endpoint?: string
  readonly region: string
  /** The variable or flag that says so. */
  readonly origin: string
}

/** Whether S3 Vectors answers in this region, has the bucket and the index, and lets us in: AWS's, or a server in its place. */
export const s3VectorsCheck: Check = {
  name: 's3vectors',
  timeoutMs: 40_000,
  applies: (context) => targetOf(context) !== null,
  async run(context) {
    const target = targetOf(context)!
    let sdk: typeof Sdk
    try {
      sdk = await loadOptional('@aws-sdk/client-s3vectors', () => import('@aws-sdk/client-s3vectors'))
    } catch (error) {
      if (!isWindlassError(error, 'missing-dependency')) throw error
      return [problem(error.message, { why: 'the client of S3 Vectors is a package of its own', mend: error.message.slice(error.message.indexOf('npm install')) })]
    }
    const client = new sdk.S3VectorsClient({ region: target.region, maxAttempts: 2, ...(target.endpoint !== undefined && { endpoint: target.endpoint }), ...(context.lookup && { requestHandler: { httpsAgent: { lookup: context.lookup } } }), ...credentialsOf(context) })
    try {
      return await askAll(context, target, sdk, client)
    } finally {
      client.destroy()
    }
  },
}

function targetOf({ configuration }: DoctorContext): Target | null {
  const { environment } = configuration
  const region = configuration.text('region')
  const named = region === undefined || region === 'auto' ? 'us-east-1' : region
  const line = configuration.text('engine')
  if (line?.toLowerCase().startsWith('s3vectors:')) {
    const declared = parseEngine(line, environment) as { bucket: string; index: string; endpoint?: string; region?: string }
    const endpoint = declared.endpoint ?? environment.AWS_ENDPOINT_URL_S3VECTORS
    return { bucket: declared.bucket, index: declared.index, region: declared.region ?? named, origin: configuration.origin('engine'), ...(endpoint && { endpoint }) }
  }
  const [bucket, index, endpoint] = [configuration.text('s3-vector-bucket'), configuration.text('s3-vector-index'), environment.AWS_ENDPOINT_URL_S3VECTORS]
  return bucket === undefined || index === undefined || !endpoint ? null : { bucket, index, endpoint, region: named, origin: configuration.origin('s3-vector-bucket') }
}

/** Keys of AWS's variables, also of `.env`, which the SDK does not read; those of another store are not meant. */
function credentialsOf({ configuration }: DoctorContext): { credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string } } {
  const [accessKeyId, secretAccessKey, sessionToken] = (['access-key-id', 'secret-access-key', 'session-token'] as const).map((name) => configuration.text(name))
  if (!configuration.origin('access-key-id').startsWith('AWS_') || accessKeyId === undefined || secretAccessKey === undefined) return {}
  return { credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) } }
}

async function askAll(context: DoctorContext, target: Target, sdk: typeof Sdk, client: Sdk.S3VectorsClient): Promise<Finding[]> {
  const { bucket, index } = target
  const names = { vectorBucketName: bucket, indexName: index }
  const ask = async <Answer>(action: string, send: () => Promise<Answer>): Promise<Answer | Finding> => send().catch((error: unknown) => refusal(context, target, action, error))
  const found = await ask('GetVectorBucket', () => client.send(new sdk.GetVectorBucketCommand({ vectorBucketName: bucket })))
  if ('level' in found) return [found]
  const shape = await ask('GetIndex', () => client.send(new sdk.GetIndexCommand(names)))
  if ('level' in shape) return [shape]
  const { dimension = 0, distanceMetric } = shape.index ?? {}
  const wanted = context.configuration.number('dimension')
  if (wanted !== undefined && wanted !== dimension) return [problem(`index ${bucket}/${index} takes ${dimension} values, and ${context.configuration.origin('dimension')} is ${wanted}`, { why: 'an index keeps the dimension that it was made with', mend: `VECTOR_DIMENSION=${dimension}   # or another index:\n${createIndex(target, wanted)}` })]
  const queryVector = { float32: Array.from({ length: dimension }, (_, i) => (i === 0 ? 1 : 0)) }
  const plain = await ask('QueryVectors', () => client.send(new sdk.QueryVectorsCommand({ ...names, topK: 1, queryVector })))
  if ('level' in plain) return [plain]
  const full = await ask('GetVectors', () => client.send(new sdk.QueryVectorsCommand({ ...names, topK: 1, queryVector, returnMetadata: true })))
  if ('level' in full) return [full]
  return [ok(`${placeOf(target)} has ${bucket}/${index} (${target.origin}): ${dimension} values, ${distanceMetric}; it answers queries, also with metadata`)]
}

/** What a refusal means, and what mends it. */
async function refusal(context: DoctorContext, target: Target, action: string, error: unknown): Promise<Finding> {
  const { name = '', message = '', $metadata } = error as { name?: string; message?: string; $metadata?: { httpStatusCode?: number; requestId?: string } }
  const status = $metadata?.httpStatusCode
  const { bucket, index, region, origin } = target
  const at = target.endpoint === undefined ? ` --region ${region}` : ` --endpoint-url ${target.endpoint}`
  if (name === 'NotFoundException') {
    const isBucket = action === 'GetVectorBucket'
    return problem(`there is no vector ${isBucket ? `bucket ${bucket}` : `index ${bucket}/${index}`} in ${placeOf(target)}; the name comes from ${origin}`, {
      why: isBucket ? 'a vector bucket is not an ordinary bucket, and belongs to one region' : 'an index is made once, with its dimension',
      mend: isBucket ? `aws s3vectors create-vector-bucket --vector-bucket-name ${bucket}${at}` : createIndex(target, context.configuration.number('dimension') ?? 384),
    })
  }
  if (name === 'UnrecognizedClientException' || name === 'InvalidSignatureException') {
    return problem(`${placeOf(target)} does not take the keys: ${name}: ${message}`, { why: `they come from ${context.configuration.origin('access-key-id')}`, mend: 'aws sts get-caller-identity   # with the same variables: whose key is it?' })
  }
  if (name === 'AccessDeniedException' || status === 403) {
    return problem(`s3vectors:${action} is refused: ${message || name}`, { why: action === 'GetVectors' ? 'a query that returns metadata, or filters by it, needs GetVectors beside QueryVectors' : 'the policy of these credentials does not have it', mend: `windlass init s3vectors ${bucket} ${index}   # prints the least policy, and the simple one (s3vectors:*)` })
  }
  if (status !== undefined && status >= 500) return problem(`${placeOf(target)} answers ${status} ${name}: ${message}`, { why: 'it is overloaded or failing; clients wait and try again by themselves', mend: 'try again in a minute' })
  if (status === 404 || status === 405) return problem(`${placeOf(target)} does not know ${action} (${status})`, { why: 'something else than S3 Vectors answers there, or an older server of it' })
  if (status !== undefined) return problem(`s3vectors:${action}: ${status} ${name}: ${message}`)
  if (/credential/i.test(`${name} ${message}`)) return problem(`no credentials for S3 Vectors: ${message}`, { mend: 'AWS_ACCESS_KEY_ID=…\nAWS_SECRET_ACCESS_KEY=…' })
  if (target.endpoint !== undefined) return problem(`no answer from ${target.endpoint}: ${messageOf(error) || name}`, { mend: 'windlass serve   # where the endpoint is to be our own' })
  return unreachable(context, region, message || name)
}

async function unreachable({ hasAddress }: DoctorContext, region: string, message: string): Promise<Finding> {
  const hostOf = (each: string) => `s3vectors.${each}.api.aws`
  if (await hasAddress(hostOf(region))) return problem(`no answer from ${hostOf(region)}: ${message}`, { why: 'the host exists: a firewall or a proxy on the way', mend: `curl -sS -o /dev/null -w '%{http_code}\\n' https://${hostOf(region)}` })
  const answers = await Promise.all(regions.map((each) => hasAddress(hostOf(each))))
  const there = regions.filter((_, i) => answers[i])
  const tried = `tried: ${regions.join(', ')}`
  if (there.length === 0) return problem(`S3 Vectors has no address in ${region}, nor in any other region; ${tried}`, { why: 'this machine resolves no names of AWS', mend: 'getent hosts s3vectors.us-east-1.api.aws' })
  return problem(`S3 Vectors is not in region ${region}; ${tried}; it is in ${there.join(', ')}`, { why: 'a vector bucket lies in one region, and only there', mend: `AWS_REGION=${there[0]}` })
}

function placeOf({ endpoint, region }: Target): string {
  return endpoint ?? `S3 Vectors of ${region}`
}

function createIndex({ bucket, index, endpoint, region }: Target, dimension: number): string {
  return `aws s3vectors create-index --vector-bucket-name ${bucket} --index-name ${index} --data-type float32 --dimension ${dimension} --distance-metric cosine${endpoint === undefined ? ` --region ${region}` : ` --endpoint-url ${endpoint}`}`
}
