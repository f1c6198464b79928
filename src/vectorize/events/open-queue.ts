import { endpointOf, parseRoleArn, regionOf, awsAccess } from '../../aws/access.ts'
import type { CredentialSource } from '../../aws/credentials.ts'
import { accountOfQueue, regionOfQueue, SqsQueue } from '../../aws/sqs.ts'
import { WindlassError } from '../../base/errors.ts'
import type { SourceDeclaration } from '../declaration/declaration.ts'
import { expandSource } from '../declaration/variables.ts'
import type { VectorizeContext } from '../run/context.ts'
import { roleOf, sourceCredentials } from '../sources/open-source.ts'

export type S3Declaration = Extract<SourceDeclaration, { type: 's3' }>

/** A source as it is declared, if it is a bucket. @throws {WindlassError} `invalid` for any other. */
export function bucketSourceOf(vectorizer: { readonly name: string; readonly source: SourceDeclaration }, { environment }: Pick<VectorizeContext, 'environment'>): S3Declaration {
  const { name, source } = vectorizer
  if (source.type !== 's3') throw new WindlassError('invalid', `the source of vectorizer ${JSON.stringify(name)} is ${source.type}: only buckets (s3) send events and have roles`, { path: 'source.type' })
  return expandSource(source, environment) as S3Declaration
}

/**
 * The queue of a vectorizer's events.
 * @throws {WindlassError} `invalid` where none is declared.
 */
export function openQueue(vectorizer: { readonly name: string; readonly source: SourceDeclaration }, context: Pick<VectorizeContext, 'environment' | 'clock' | 'random' | 'storeSettings'>): SqsQueue {
  const source = bucketSourceOf(vectorizer, context)
  const { events } = source
  if (!events) throw new WindlassError('invalid', `vectorizer ${JSON.stringify(vectorizer.name)} declares no events: add source.events.queueUrl`, { path: 'source.events' })
  const { environment, clock, random } = context
  const region = events.region ?? regionOfQueue(events.queueUrl) ?? regionOf(environment)
  const given = environment.AWS_ENDPOINT_URL_SQS || environment.AWS_ENDPOINT_URL
  const endpoint = events.endpoint ?? (given ? endpointOf('sqs', region, environment) : originOf(events.queueUrl))
  return new SqsQueue(events.queueUrl, queueCredentials(source, vectorizer.name, context), { region, endpoint, clock, random })
}

/** A queue in the account of the role is read in the role; one of our own with the keys of this process. */
function queueCredentials(source: S3Declaration, vectorizer: string, context: Pick<VectorizeContext, 'environment' | 'clock' | 'random' | 'storeSettings'>): CredentialSource {
  const role = roleOf(source)
  if (role !== undefined && parseRoleArn(role).account === accountOfQueue(source.events!.queueUrl)) return sourceCredentials(source, { ...context, where: 'source', vectorizer })
  const { accessKeyId, secretAccessKey, sessionToken, credentials } = context.storeSettings
  const keys = accessKeyId !== undefined && secretAccessKey !== undefined ? { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) } : undefined
  return credentials ?? awsAccess(context.environment, context).own(keys)
}

function originOf(queueUrl: string): string {
  if (URL.canParse(queueUrl)) return new URL(queueUrl).origin
  throw new WindlassError('invalid', `source.events.queueUrl is ${JSON.stringify(queueUrl)}, expected https://sqs.<region>.amazonaws.com/<account>/<name>`, { path: 'source.events.queueUrl' })
}
