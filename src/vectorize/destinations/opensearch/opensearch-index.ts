import { WindlassError } from '../../../base/errors.ts'
import type { Metadata, MetadataValue } from '../../../format/record.ts'
import { encodePayload, plainJson, pointId, type Point } from '../point-store.ts'

/** How an index's scores by vector are to be read, and whether its vectors must have length 1. */
export type SpaceType = 'cosinesimil' | 'l2'

/** Longer strings are found by their beginning. A keyword of Lucene's has at most 32,766 bytes. */
export const factLengthMax = 2000

/** One value of the metadata, in a form in which keys of any name and values of any type can lie side by side. */
interface Fact {
  readonly key: string
  readonly text?: string
  readonly number?: number
  readonly flag?: boolean
}

/**
 * The body that makes an index. Metadata is kept as it is and not mapped: two documents may give one key two types, and thousands of
 * keys are no thousands of fields. What filters look at are nested facts.
 * @param isServerless Only Faiss is there, which had no cosine for long: Euclidean distance orders vectors of length 1 alike.
 */
export function indexBody(dimension: number, isServerless: boolean): Record<string, unknown> {
  const method = isServerless ? { name: 'hnsw', engine: 'faiss', space_type: 'l2' } : { name: 'hnsw', engine: 'lucene', space_type: 'cosinesimil' }
  const keyword = { type: 'keyword' }
  return {
    settings: { index: { knn: true } },
    mappings: {
      dynamic: false,
      properties: {
        ...{ name: keyword, document: keyword, version: keyword, vectorizer: keyword, path: keyword, model: keyword },
        isHead: { type: 'boolean' },
        text: { type: 'text', analyzer: 'english' },
        vector: { type: 'knn_vector', dimension, method },
        facts: { type: 'nested', properties: { key: keyword, text: keyword, number: { type: 'double' }, flag: { type: 'boolean' } } },
      },
    },
  }
}

/**
 * Reads what an index is made for.
 * @param answer Of `GET <index>/_mapping`.
 * @throws {WindlassError} `invalid` where it cannot be used with vectors of `dimension`.
 */
export function readMapping(answer: unknown, title: string, dimension: number): SpaceType {
  const [mapping] = Object.values((answer ?? {}) as Record<string, { mappings?: { properties?: Record<string, { type?: string; dimension?: number; space_type?: string; method?: { space_type?: string } }> } }>)
  const { vector, facts, name } = mapping?.mappings?.properties ?? {}
  if (vector?.type !== 'knn_vector' || facts?.type !== 'nested' || name?.type !== 'keyword') throw new WindlassError('invalid', `${title} has not the fields name, facts and vector (knn_vector): name another index, or let it be made`, { path: 'destinations' })
  if (vector.dimension !== dimension) throw new WindlassError('invalid', `${title} takes vectors of ${vector.dimension} values, and the model makes ${dimension}: name another index`, { path: 'destinations' })
  const space = vector.method?.space_type ?? vector.space_type
  if (space !== 'cosinesimil' && space !== 'l2') throw new WindlassError('invalid', `${title} has the space type ${space}, expected cosinesimil or l2: name another index`, { path: 'destinations' })
  return space
}

/** 1 - cos of a score that a search by vector gave (k-NN plugin, "Spaces"). */
export function distanceOf(score: number, space: SpaceType): number {
  // l2: score = 1 / (1 + d²), and d² = 2 (1 - cos) between vectors of length 1.
  return space === 'cosinesimil' ? 2 - 2 * score : (1 / score - 1) / 2
}

/** A vector as an index of a space type keeps it. */
export function spacedVector(vector: Float32Array, space: SpaceType): number[] {
  const norm = space === 'l2' ? Math.hypot(...vector) : 1
  // What has length 1 but for rounding is given back exactly.
  return Array.from(vector, (value) => (Math.abs(norm - 1) < 1e-6 ? value : Math.fround(value / norm)))
}

/** A point as a document of an index. */
export function encodeDocument(point: Point, space: SpaceType): Record<string, unknown> {
  const { document, version, index, vector, metadata } = point
  return {
    ...encodePayload(point),
    name: pointName({ document, version, index }),
    facts: Object.entries(plainJson(metadata) as Metadata).flatMap(([key, value]) => factsOf(key, value)),
    ...(vector && { vector: spacedVector(vector, space) }),
  }
}

/** Tells apart the heads of two versions too, whose id is one. */
export function pointName({ document, version, index }: { document: string; version: string; index: number }): string {
  return index === 0 ? `${document}/${version}/0` : pointId({ document, version, index })
}

/** Every key is there at least once, whatever its value is. */
function factsOf(key: string, value: MetadataValue): Fact[] {
  const name = key.slice(0, factLengthMax)
  if (Array.isArray(value)) return [{ key: name }, ...(value as readonly MetadataValue[]).flatMap((each) => factsOf(key, each))]
  if (typeof value === 'string') return [{ key: name, text: value.slice(0, factLengthMax) }]
  if (typeof value === 'number') return [{ key: name, number: value }]
  return [typeof value === 'boolean' ? { key: name, flag: value } : { key: name }]
}
