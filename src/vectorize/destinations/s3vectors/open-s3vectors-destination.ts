import { loadOptional } from '../../../base/optional.ts'
import { withoutUndefined } from '../../../base/defined.ts'
import type { DestinationDeclaration } from '../../declaration/declaration.ts'
import { variableOf } from '../../declaration/variables.ts'
import type { VectorizeContext } from '../../run/context.ts'
import { PointDestination } from '../point-destination.ts'
import { S3VectorsStore } from './s3vectors-store.ts'

type S3VectorsDeclaration = Extract<DestinationDeclaration, { type: 's3vectors' }>

/**
 * The index that a declaration names; nothing is asked before it is prepared. Credentials and region that it does not name come from the
 * AWS default chains.
 * @throws {WindlassError} `missing-dependency` where the client is not installed.
 */
export async function openS3VectorsDestination(declaration: S3VectorsDeclaration, vectorizer: string, { environment, clock, random }: VectorizeContext): Promise<PointDestination> {
  const { bucket, index, endpoint, region, accessKeyIdVariable, secretAccessKeyVariable, sessionTokenVariable } = declaration
  const sdk = await loadOptional('@aws-sdk/client-s3vectors', () => import('@aws-sdk/client-s3vectors'))
  const value = (name: string | undefined, field: string) => (name === undefined ? undefined : variableOf(name, environment, `destinations.${field}`))
  const accessKeyId = value(accessKeyIdVariable, 'accessKeyIdVariable')
  const secretAccessKey = value(secretAccessKeyVariable, 'secretAccessKeyVariable')
  const sessionToken = value(sessionTokenVariable, 'sessionTokenVariable')
  const credentials = accessKeyId !== undefined && secretAccessKey !== undefined ? { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) } : undefined
  // Whoever is throttled waits, and does not fail: `adaptive` lowers the rate of requests to what the service takes.
  const client = new sdk.S3VectorsClient({ retryMode: 'adaptive', maxAttempts: 6, ...withoutUndefined({ endpoint, region, credentials }) })
  return new PointDestination(new S3VectorsStore(sdk, client, { bucket, index, ...(endpoint !== undefined && { endpoint }) }), vectorizer, { clock, random })
}
