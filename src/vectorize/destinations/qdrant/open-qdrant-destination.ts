import type { DestinationDeclaration } from '../../declaration/declaration.ts'
import { expandVariables, variableOf } from '../../declaration/variables.ts'
import type { VectorizeContext } from '../../run/context.ts'
import { JsonService } from '../http-json.ts'
import { PointDestination } from '../point-destination.ts'
import { QdrantStore, readQdrantMessage } from './qdrant-store.ts'

/** The collection of Qdrant that a declaration names; nothing is asked before it is prepared. @throws {WindlassError} `invalid` for a variable that is not set. */
export function openQdrantDestination(declaration: Extract<DestinationDeclaration, { type: 'qdrant' }>, vectorizer: string, { environment, clock, random }: VectorizeContext): PointDestination {
  const { collection, apiKeyVariable } = declaration
  const url = expandVariables(declaration.url, environment, 'destinations.url')
  const apiKey = apiKeyVariable === undefined ? undefined : variableOf(apiKeyVariable, environment, 'destinations.apiKeyVariable')
  const service = new JsonService({ title: 'qdrant', baseUrl: url, clock, random, readMessage: readQdrantMessage, ...(apiKey !== undefined && { authorize: () => ({ 'api-key': apiKey }), secrets: [apiKey] }) })
  return new PointDestination(new QdrantStore(service, { url, collection }), vectorizer, { clock, random })
}
