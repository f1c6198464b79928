import type { EmbeddingModel } from '../embed/embedding-model.ts'
import type { EngineCollection } from '../engine/collection.ts'
import { parseFilter } from '../engine/query/filter.ts'
import type { Fusion, Match, QueryStats, ReadOptions } from '../engine/types.ts'
import { limits } from '../base/limits.ts'
import type { Metadata } from '../format/record.ts'
import { analyzerIdOf, createAnalyzerById } from '../text/analyzer.ts'
import { highlight, type TextRange } from '../text/highlight.ts'
import type { DocumentIndex } from './document-index.ts'
import { callersOwn, passageOf } from './document-rows.ts'

export interface PassageSearchOptions extends ReadOptions {
  readonly k?: number
  readonly filter?: unknown
  /** Default `hybrid`: by meaning and by words. */
  readonly mode?: 'hybrid' | 'vector' | 'text'
  readonly fusion?: Fusion
  /** Told what the search did, all rounds of it together. */
  readonly onStats?: (stats: QueryStats) => void
}

/** A passage that answers a question, and where it stands. */
export interface FoundPassage {
  readonly key: string
  readonly source: string
  readonly title?: string
  readonly headingPath: readonly string[]
  readonly page?: number
  readonly lineStart?: number
  readonly lineEnd?: number
  readonly byteStart?: number
  readonly byteEnd?: number
  readonly text: string
  /** Words of the question in `text`: [start, end) in UTF-16 units. */
  readonly highlights: readonly TextRange[]
  readonly score: number
  readonly distance?: number
  readonly textScore?: number
  readonly metadata: Metadata
}

/** Finds passages by meaning and by words. */
export async function searchPassages(
  collection: EngineCollection,
  documents: DocumentIndex,
  model: EmbeddingModel,
  question: string,
  options: PassageSearchOptions = {},
): Promise<FoundPassage[]> {
  const k = options.k ?? 10
  const { embeddingModel, dimension, textFields } = await collection.schema()
  // Vectors that another model made would be compared with ours to no end; then words decide alone.
  const comparable = embeddingModel === model.name && dimension === model.dimension
  const mode = options.mode ?? (comparable ? 'hybrid' : 'text')
  const vector = mode === 'text' ? undefined : (await model.embed([question], { kind: 'query', ...(options.signal && { signal: options.signal }) }))[0]
  const filter = options.filter === undefined ? undefined : parseFilter(options.filter)
  const analyzer = createAnalyzerById(textFields.find(({ field }) => field === 'document')?.analyzer ?? analyzerIdOf('english'))
  const terms = analyzer.terms(question)
  const marker = (text: string) => highlight(text, terms, analyzer).ranges
  let total: QueryStats | null = null
  for (let depth = k; ; depth = Math.min(depth * 4, limits.queryResultsMax)) {
    const { matches, stats } = await collection.query({
      k: depth,
      include: { metadata: true, document: true },
      ...(vector && { vector }),
      ...(mode !== 'vector' && { text: question }),
      ...(filter && { filter }),
      ...(options.fusion && { fusion: options.fusion }),
      ...(options.consistency && { consistency: options.consistency }),
      ...(options.signal && { signal: options.signal }),
    })
    total = total ? sum(total, stats) : stats
    const current = await withoutOldGenerations(matches, documents)
    if (current.length >= k || matches.length < depth || depth === limits.queryResultsMax) {
      options.onStats?.(total)
      return current.slice(0, k).map((match) => toPassage(match, marker))
    }
  }
}

function sum(a: QueryStats, b: QueryStats): QueryStats {
  return {
    rowsMatching: b.rowsMatching,
    rowsScored: a.rowsScored + b.rowsScored,
    clustersProbed: a.clustersProbed + b.clustersProbed,
    candidates: a.candidates + b.candidates,
    requests: a.requests + b.requests,
    bytesRead: a.bytesRead + b.bytesRead,
    roundTrips: a.roundTrips + b.roundTrips,
  }
}

/** Drops chunks of a large document that its row does not name: half-written, or replaced and not yet swept. */
async function withoutOldGenerations(matches: readonly Match[], documents: DocumentIndex): Promise<Match[]> {
  const sources = new Set(matches.filter(({ metadata }) => metadata?.generation !== undefined).map(({ metadata }) => String(metadata!.source)))
  const generations = new Map<string, string | undefined>()
  for (const source of sources) generations.set(source, (await documents.find(source, { consistency: 'eventual' }))?.generation)
  return matches.filter(({ metadata }) => metadata?.generation === undefined || generations.get(String(metadata.source)) === metadata.generation)
}

function toPassage({ key, score, distance, textScore, metadata = {}, document }: Match, mark: (text: string) => readonly TextRange[]): FoundPassage {
  const headingPath = Array.isArray(metadata.heading) ? metadata.heading.map(String) : []
  const text = passageOf(document ?? '', headingPath)
  const number = (name: string) => (typeof metadata[name] === 'number' ? { [name]: metadata[name] } : {})
  return {
    key,
    source: String(metadata.source ?? key),
    ...(typeof metadata.title === 'string' && { title: metadata.title }),
    headingPath,
    ...number('page'),
    ...number('lineStart'),
    ...number('lineEnd'),
    ...number('byteStart'),
    ...number('byteEnd'),
    text,
    highlights: mark(text),
    score,
    ...(distance !== undefined && { distance }),
    ...(textScore !== undefined && { textScore }),
    metadata: callersOwn(metadata),
  }
}
