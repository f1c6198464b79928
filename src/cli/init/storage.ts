import { storePolicy, userCommands, vectorPolicy, wideVectorPolicy } from '../../aws/store-policies.ts'
import { partitionOf, type PolicyDocument } from '../../aws/iam-documents.ts'
import { systemClock } from '../../base/clock.ts'
import { WindlassError } from '../../base/errors.ts'
import { loadOptional } from '../../base/optional.ts'
import { systemRandom } from '../../base/random.ts'
import { envExample } from '../../config/env-example.ts'
import { storeSettings } from '../../config/load.ts'
import { BucketProbe } from '../../doctor/bucket-probe.ts'
import { configure, print, type Flags } from '../run.ts'
import { keysExample, plainVariables, secretVariables, type Place } from './places.ts'
import { writeFiles } from './write-files.ts'

const dimensionDefault = '384'

/** `windlass init s3`: a commented `.env` for a bucket, the policy that is needed, and the commands that make both. Contacts nobody. */
export function initS3(bucketName: string, region: string | undefined, flags: Flags): void {
  const place = placeFrom(bucketName, region, flags)
  writeFiles([{ path: '.env', text: envFile(new Map([...plainVariables(place), ['AWS_ACCESS_KEY_ID', ''], ['AWS_SECRET_ACCESS_KEY', '']])), isSecret: true }], flags)
  printBucketSteps(place, { isMade: false })
  print('Then: fill in the key in .env, keep .env out of git, and\n  windlass doctor')
}

/** `windlass init models`: makes the bucket where it is missing, and prints the policy and the environment of each host. */
export async function initModels(bucketName: string, region: string, flags: Flags): Promise<void> {
  const configuration = configure(flags)
  const endpoint = configuration.text('endpoint')
  const place = { ...placeFrom(bucketName, region, flags), ...(endpoint !== undefined && { endpoint }) }
  if (flags.dryRun) print(`would make: ${makeBucket(place)}`)
  else {
    const { S3Store } = await import('../../store/s3-store.ts')
    const settings = { ...storeSettings(configuration), region }
    const store = new S3Store({ bucket: place.bucket, ...settings })
    try {
      await store.createBucket()
      await checkPlace(place, settings)
    } finally {
      await store.close()
    }
    print(`s3://${place.bucket} is there, in ${region}`)
  }
  printBucketSteps(place, { isMade: true })
  printHosts(place)
}

/** A bucket that was there before may lie elsewhere, or belong to somebody else. */
async function checkPlace({ bucket }: Place, settings: object): Promise<void> {
  const probe = new BucketProbe(`s3://${bucket}`, () => settings, { clock: systemClock, random: systemRandom })
  try {
    const { error } = await probe.contact()
    if (error && error.kind !== 'denied') throw error
  } finally {
    await probe.close()
  }
}

/** `windlass init s3vectors`: the same for a vector bucket and its index, at AWS or at an endpoint; `--create` makes both. */
export async function initS3Vectors(bucket: string, index: string, region: string | undefined, flags: Flags): Promise<void> {
  const configuration = configure(flags)
  const where = region ?? configuration.text('region') ?? 'us-east-1'
  const dimension = Number(flags.dimension ?? configuration.text('dimension') ?? dimensionDefault)
  if (!Number.isInteger(dimension) || dimension < 1 || dimension > 4096) throw new WindlassError('invalid', `--dimension is ${String(flags.dimension)}, expected a whole number from 1 to 4096`, { path: 'dimension' })
  const endpoint = typeof flags.endpoint === 'string' ? flags.endpoint : configuration.environment.AWS_ENDPOINT_URL_S3VECTORS
  const text = envFile(new Map([['S3_VECTOR_BUCKET_NAME', bucket], ['S3_VECTOR_INDEX_NAME', index], ['VECTOR_DIMENSION', String(dimension)], ['AWS_REGION', where], ['AWS_ACCESS_KEY_ID', ''], ['AWS_SECRET_ACCESS_KEY', ''], ['WINDLASS_ENGINE', `s3vectors:${endpoint === undefined ? '' : `${endpoint.replace(/\/+$/, '')}/`}${bucket}/${index}`]]))
  writeFiles([{ path: '.env', text, isSecret: true }], flags)
  if (flags.create && !flags.dryRun) await createIndex({ bucket, index, dimension, region: where, endpoint })
  else for (const command of vectorCommands({ bucket, index, dimension, region: where, endpoint })) print(`\n${command}`)
  const policy = vectorPolicy({ partition: partitionOf(where), region: where, account: '*', bucket, index })
  printPolicy('The least that is needed', policy)
  printPolicy('Or, simpler: all of S3 Vectors', wideVectorPolicy())
  print(`\n${userCommands(`windlass-${bucket}`, policy).join('\n')}`)
  print('\nThen: fill in the key in .env, keep .env out of git, and\n  windlass doctor --only s3vectors')
}

interface VectorPlace {
  readonly bucket: string
  readonly index: string
  readonly dimension: number
  readonly region: string
  readonly endpoint: string | undefined
}

/** As the AWS CLI has them today; names in guides of the preview were others. */
export function vectorCommands({ bucket, index, dimension, region, endpoint }: VectorPlace): string[] {
  const at = ` --region ${region}${endpoint === undefined ? '' : ` --endpoint-url ${endpoint}`}`
  return [`aws s3vectors create-vector-bucket --vector-bucket-name ${bucket}${at}`, `aws s3vectors create-index --vector-bucket-name ${bucket} --index-name ${index} --data-type float32 --dimension ${dimension} --distance-metric cosine${at}`]
}

async function createIndex({ bucket, index, dimension, region, endpoint }: VectorPlace): Promise<void> {
  const sdk = await loadOptional('@aws-sdk/client-s3vectors', () => import('@aws-sdk/client-s3vectors'))
  const { accessKeyId, secretAccessKey, sessionToken } = storeSettings(configure({}))
  const credentials = accessKeyId !== undefined && secretAccessKey !== undefined ? { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) } : undefined
  const client = new sdk.S3VectorsClient({ region, ...(endpoint !== undefined && { endpoint }), ...(credentials && { credentials }) })
  const make = async (what: string, task: Promise<unknown>) => {
    try {
      await task
      print(`made ${what}`)
    } catch (error) {
      const { name, message } = error as Error
      if (name !== 'ConflictException') throw new WindlassError(name === 'AccessDeniedException' ? 'denied' : 'unavailable', `${what}: ${name}: ${message}`, { cause: error })
      print(`${what} is there already`)
    }
  }
  try {
    await make(`vector bucket ${bucket}`, client.send(new sdk.CreateVectorBucketCommand({ vectorBucketName: bucket })))
    await make(`index ${bucket}/${index}`, client.send(new sdk.CreateIndexCommand({ vectorBucketName: bucket, indexName: index, dataType: 'float32', dimension, distanceMetric: 'cosine' })))
  } finally {
    client.destroy()
  }
}

/** `env.example` with some of its lines filled in. */
export function envFile(values: ReadonlyMap<string, string>): string {
  const left = new Map(values)
  const lines = envExample().split('\n').map((line) => {
    const [, name = ''] = /^# ([A-Z][A-Z0-9_]*)=/.exec(line) ?? []
    const aliases = /^# Also: (.*) \(the first/.exec(line)?.[1]?.split(', ') ?? []
    if (left.has(name)) return take(name)
    // The other names of a setting have no line of their own.
    const alias = aliases.find((each) => left.has(each))
    return alias === undefined ? line : `${line}\n${take(alias)}`
  })
  function take(name: string): string {
    const value = left.get(name)!
    left.delete(name)
    return `${name}=${value}`
  }
  if (left.size > 0) throw new WindlassError('invalid', `no setting reads ${[...left.keys()].join(' or ')}`)
  return lines.join('\n').replace(/^# Copy to \.env and uncomment what you need\./, '# Uncomment what you need; keep this file out of git.')
}

function placeFrom(text: string, region: string | undefined, flags: Flags): Place {
  const [bucket = '', ...rest] = text.replace(/^s3:\/\//, '').replace(/\/+$/, '').split('/')
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) throw new WindlassError('invalid', `${JSON.stringify(bucket)} is no name of a bucket: expected 3 to 63 of a-z, 0-9, . and -, with a letter or digit at both ends`, { path: 'bucket' })
  const endpoint = typeof flags.endpoint === 'string' ? flags.endpoint : undefined
  return { bucket, prefix: rest.join('/'), region: region ?? (endpoint === undefined ? 'us-east-1' : 'auto'), ...(endpoint !== undefined && { endpoint }) }
}

function makeBucket({ bucket, region, endpoint }: Place): string {
  return `aws s3 mb s3://${bucket}${region === 'auto' ? '' : ` --region ${region}`}${endpoint === undefined ? '' : ` --endpoint-url ${endpoint}`}`
}

function printBucketSteps(place: Place, { isMade }: { isMade: boolean }): void {
  const policy = storePolicy({ partition: partitionOf(place.region), bucket: place.bucket, prefix: place.prefix })
  if (!isMade) print(`\nThe bucket:\n  ${makeBucket(place)}`)
  printPolicy('The policy, with all that is needed and nothing else', policy)
  if (place.endpoint === undefined) print(`\nA user with it, where there is no role to attach it to:\n${userCommands(`windlass-${place.bucket}`, policy).map((line) => `  ${line}`).join('\n')}`)
  print('')
}

function printPolicy(title: string, policy: PolicyDocument): void {
  print(`\n${title}:\n${JSON.stringify(policy, null, 2)}`)
}

/** The same variables, as each host wants them. */
function printHosts(place: Place): void {
  const plain = plainVariables(place)
  const secrets = secretVariables.slice(0, 2)
  const lines = (title: string, list: readonly string[]) => print(`${title}:\n${list.map((line) => `  ${line}`).join('\n')}\n`)
  lines('Environment, for .env and for Koyeb (Settings -> Environment variables; the keys as secrets)', [...plain.map(([name, value]) => `${name}=${value}`), ...secrets.map((name) => `${name}=…`)])
  lines('Koyeb, by its CLI', [...secrets.map((name) => `koyeb secrets create ${secretName(name)} --value-from-stdin`), `koyeb services update <app>/<service> ${[...plain.map(([name, value]) => `--env ${name}=${value}`), ...secrets.map((name) => `--env '${name}={{secret.${secretName(name)}}}'`)].join(' ')}`])
  lines('Fly', [`fly secrets set ${secrets.map((name) => `${name}=…`).join(' ')}`, '# in fly.toml', '[env]', ...plain.map(([name, value]) => `  ${name} = ${JSON.stringify(value)}`)])
  lines('Docker', [`docker run --env-file .env … ${plain.map(([name, value]) => `-e ${name}=${value}`).join(' ')} ${secrets.map((name) => `-e ${name}`).join(' ')}`])
  const lambdaKeys = place.endpoint === undefined ? 'no keys: the policy goes to the function’s role' : 'it sets AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to its role’s by itself: a script at AWS_LAMBDA_EXEC_WRAPPER puts this store’s in their place'
  lines(`Lambda (${lambdaKeys})`, [`aws lambda update-function-configuration --function-name <name> --environment 'Variables={${plain.map(([name, value]) => `${name}=${value}`).join(',')}}'`])
  print(`A server that others are to reach wants keys of its own:\n  WINDLASS_KEYS=${keysExample}`)
}

export function secretName(variable: string): string {
  return variable.toLowerCase().replaceAll('_', '-')
}
