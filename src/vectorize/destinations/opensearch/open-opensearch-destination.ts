import { WindlassError } from '../../../base/errors.ts'
import type { DestinationDeclaration } from '../../declaration/declaration.ts'
import { expandVariables, variableOf, type Environment } from '../../declaration/variables.ts'
import type { VectorizeContext } from '../../run/context.ts'
import { JsonService, type JsonServiceSettings } from '../http-json.ts'
import { PointDestination } from '../point-destination.ts'
import { OpenSearchStore, readOpenSearchMessage } from './opensearch-store.ts'

type OpenSearchDeclaration = Extract<DestinationDeclaration, { type: 'opensearch' }>

/** The index of OpenSearch that a declaration names; nothing is asked before it is prepared. @throws {WindlassError} `invalid` for a variable that is not set, or without a region to sign for. */
export async function openOpenSearchDestination(declaration: OpenSearchDeclaration, vectorizer: string, { environment, clock, random }: VectorizeContext): Promise<PointDestination> {
  const { index, auth } = declaration
  const url = expandVariables(declaration.url, environment, 'destinations.url')
  const service = new JsonService({ title: 'opensearch', baseUrl: url, clock, random, readMessage: readOpenSearchMessage, ...(await authorization(auth, url, environment)) })
  const isServerless = auth.type === 'aws' && auth.service === 'aoss'
  return new PointDestination(new OpenSearchStore(service, { url, index, isServerless, clock, random }), vectorizer, { clock, random })
}

async function authorization(auth: OpenSearchDeclaration['auth'], url: string, environment: Environment): Promise<Pick<JsonServiceSettings, 'authorize' | 'secrets'>> {
  if (auth.type === 'none') return {}
  if (auth.type === 'basic') {
    const user = variableOf(auth.userVariable, environment, 'destinations.auth.userVariable')
    const password = variableOf(auth.passwordVariable, environment, 'destinations.auth.passwordVariable')
    const encoded = Buffer.from(`${user}:${password}`).toString('base64')
    return { authorize: () => ({ authorization: `Basic ${encoded}` }), secrets: [encoded, password] }
  }
  // Loaded on demand: the providers of credentials take their time.
  const { createSigner, regionOfHost } = await import('./sign-request.ts')
  const region = auth.region ?? regionOfHost(new URL(url).hostname) ?? environment.AWS_REGION ?? environment.AWS_DEFAULT_REGION
  if (!region) throw new WindlassError('invalid', 'opensearch: no region to sign requests for: set region, or AWS_REGION', { path: 'destinations.auth.region' })
  const secrets = [environment.AWS_SECRET_ACCESS_KEY, environment.AWS_SESSION_TOKEN].filter((secret) => secret !== undefined)
  return { authorize: createSigner({ service: auth.service, region, environment }), secrets }
}
