import type { DestinationDeclaration } from '../declaration/declaration.ts'
import type { VectorizeContext } from '../run/context.ts'
import { CollectionDestination } from './collection-destination.ts'
import type { Destination } from './destination.ts'

/** The destination that a declaration names; nothing is written or asked before it is prepared. @param vectorizer Whose documents it holds. */
export async function openDestination(declaration: DestinationDeclaration, vectorizer: string, context: VectorizeContext): Promise<Destination> {
  switch (declaration.type) {
    case 'collection':
      return new CollectionDestination(declaration.name, vectorizer, context)
    case 'openai': {
      const { openOpenAiDestination } = await import('./openai/open-openai-destination.ts')
      return openOpenAiDestination(declaration, vectorizer, context)
    }
    case 's3vectors': {
      const { openS3VectorsDestination } = await import('./s3vectors/open-s3vectors-destination.ts')
      return openS3VectorsDestination(declaration, vectorizer, context)
    }
    case 'qdrant': {
      const { openQdrantDestination } = await import('./qdrant/open-qdrant-destination.ts')
      return openQdrantDestination(declaration, vectorizer, context)
    }
    case 'opensearch': {
      const { openOpenSearchDestination } = await import('./opensearch/open-opensearch-destination.ts')
      return openOpenSearchDestination(declaration, vectorizer, context)
    }
    case 'pgvector': {
      const { openPgvectorDestination } = await import('../postgres/open-pgvector.ts')
      return openPgvectorDestination(declaration, vectorizer, context)
    }
  }
}
