import { awsAccess, parseRoleArn, regionOf } from '../../aws/access.ts'
import { iamCommands, partitionOf, principalOf, readerPolicy, trustPolicy } from '../../aws/iam-documents.ts'
import { accountOfQueue, regionOfQueue } from '../../aws/sqs.ts'
import { WindlassError } from '../../base/errors.ts'
import { newId } from '../../base/random.ts'
import { parseS3Url } from '../../store/open-store.ts'
import { bucketSourceOf, type S3Declaration } from '../../vectorize/events/open-queue.ts'
import type { VectorizeContext } from '../../vectorize/run/context.ts'
import { externalIdOf, roleOf } from '../../vectorize/sources/open-source.ts'
import { print, type Flags } from '../run.ts'
import type { VectorizerSession } from '../vectorizers.ts'

/** `windlass iam`: what the source of a vectorizer needs at AWS, as documents and as commands. Changes nothing. */
export async function showIam({ vectorizers }: VectorizerSession, flags: Flags & { kms?: string[] }): Promise<void> {
  const { name, declaration, context } = vectorizers[0]!
  const source = bucketSourceOf(declaration, context)
  const { bucket, prefix } = parseS3Url(source.url)
  const { environment, clock, random } = context
  const role = roleOf(source)
  const partition = role === undefined ? partitionOf(source.region ?? regionOf(environment)) : parseRoleArn(role).partition
  const roleName = typeof flags.roleName === 'string' ? flags.roleName : role === undefined ? `windlass-${name}`.slice(0, 64) : parseRoleArn(role).name
  const declared = externalIdOf(source, environment)
  const externalId = declared ?? `windlass-${newId(clock.now(), random)}`
  const principal = await findPrincipal(source, context, flags)
  const policy = readerPolicy({ partition, bucket, prefix, kmsKeyArns: flags.kms ?? [], queueArns: queueArnsOf(source, partition, environment) })
  const trust = trustPolicy({ principal, externalId })
  const commands = iamCommands({ roleName, trust, policy, ...(role !== undefined && { path: parseRoleArn(role).path }) })
  if (flags.json) return print(JSON.stringify({ vectorizer: name, roleName, principal, externalId, policy, trust, commands }, null, 2))
  const account = role === undefined ? 'the account of the bucket' : `account ${parseRoleArn(role).account}`
  print(`# Vectorizer ${name} reads ${source.url} in the role ${roleName}, which ${principal} takes.`)
  print(`# To be run in ${account}; the policy lets it list and read that prefix, and nothing else.`)
  for (const command of commands) print(`\n${command}`)
  print('\n# Then, in the declaration:')
  print(`#   role: ${role ?? `arn:${partition}:iam::<account>:role/${roleName}`}`)
  print(`#   externalId: ${externalId}${declared === undefined ? '   # made just now, for this role only' : ''}`)
}

async function findPrincipal({ via }: S3Declaration, { environment, clock, random, storeSettings }: VectorizeContext, { principal }: Flags): Promise<string> {
  if (typeof principal === 'string') return principal
  const last = via?.at(-1)
  if (last !== undefined) return last
  const access = awsAccess(environment, { clock, random })
  const { accessKeyId, secretAccessKey, sessionToken } = storeSettings
  const keys = accessKeyId !== undefined && secretAccessKey !== undefined ? { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) } : undefined
  const arn = access.canAskWho() ? await access.own(keys).principal() : undefined
  if (arn === undefined) throw new WindlassError('invalid', 'who is to take the role? AWS did not say whose credentials these are: name them with --principal arn:aws:iam::<account>:role/<name>', { path: 'principal' })
  return principalOf(arn)
}

/** The declared queue, where it is read in the role: where it lies in the same account, or no account is known of the role yet. */
function queueArnsOf(source: S3Declaration, partition: string, environment: VectorizeContext['environment']): string[] {
  const url = source.events?.queueUrl
  const account = url === undefined ? undefined : accountOfQueue(url)
  const role = roleOf(source)
  if (url === undefined || account === undefined || (role !== undefined && parseRoleArn(role).account !== account)) return []
  const region = source.events?.region ?? regionOfQueue(url) ?? regionOf(environment)
  return [`arn:${partition}:sqs:${region}:${account}:${url.slice(url.lastIndexOf('/') + 1)}`]
}
