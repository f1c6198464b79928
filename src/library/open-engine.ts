import type { Clock } from '../base/clock.ts'
import { WindlassError } from '../base/errors.ts'
import type { EmbeddingModel } from '../embed/embedding-model.ts'
import { isSearchable } from '../vectorize/destinations/destination.ts'
import { openDestination } from '../vectorize/destinations/open-destination.ts'
import { parseEngine } from '../vectorize/destinations/parse-engine.ts'
import { EngineDocuments } from '../vectorize/engine-documents.ts'
import type { VectorizeContext } from '../vectorize/run/context.ts'

/** Another engine than the bucket, for files and searches of them. */
export interface DocumentEngine {
  /** `qdrant:http://127.0.0.1:6333/collection`: see `parseEngine`. */
  readonly line: string
  /** Where its keys are read from, by name. Default: the process's. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/** What an engine keeps under a name; nothing is asked of it yet. @throws {WindlassError} `invalid` for a line of another form. */
export async function openEngine(name: string, { line }: DocumentEngine, context: VectorizeContext, { loadModel, clock }: { loadModel: () => Promise<EmbeddingModel>; clock: Clock }): Promise<EngineDocuments> {
  const destination = await openDestination(parseEngine(line, context.environment), name, context)
  if (!isSearchable(destination)) throw new WindlassError('unsupported', `${destination.name} keeps documents, and cannot be searched: name another engine`, { path: 'engine' })
  return new EngineDocuments(name, destination, { model: await loadModel(), clock })
}
