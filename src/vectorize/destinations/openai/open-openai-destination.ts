import { resolve } from 'node:path'
import { WindlassError } from '../../../base/errors.ts'
import { withoutUndefined } from '../../../base/defined.ts'
import type { DestinationDeclaration } from '../../declaration/declaration.ts'
import type { VectorizeContext } from '../../run/context.ts'
import type { FileDestination } from '../destination.ts'
import { MetadataFileDestination } from './metadata-file-destination.ts'
import { OpenAiDestination } from './openai-destination.ts'

/** The vector store that a declaration names; nothing is asked before it is prepared. @throws {WindlassError} `unauthenticated` without a key. */
export function openOpenAiDestination(declaration: Extract<DestinationDeclaration, { type: 'openai' }>, vectorizer: string, { environment, clock, random, folder }: VectorizeContext): FileDestination {
  const { vectorStore, baseUrl, apiKeyVariable, chunking, metadataFile } = declaration
  const apiKey = environment[apiKeyVariable]
  // Servers of one's own mostly want none.
  if (!apiKey && baseUrl === undefined) throw new WindlassError('unauthenticated', `an OpenAI vector store needs a key: set ${apiKeyVariable}`, { path: 'destinations.apiKeyVariable' })
  const destination = new OpenAiDestination({ vectorizer, vectorStore, clock, random, ...withoutUndefined({ apiKey: apiKey || undefined, baseUrl, chunking }) })
  return metadataFile === undefined ? destination : new MetadataFileDestination(destination, resolve(folder, metadataFile))
}
