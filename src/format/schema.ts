import type { JsonShape, JsonValue } from './json-shape.ts'

/** What every row of a collection has in common. A change of it is a commit in the log. */
export interface CollectionSchema {
  /** Length of every vector; null until the first vector fixes it. */
  readonly dimension: number | null
  readonly metric: 'cosine' | 'dot' | 'euclidean'
  /** Names the model that made the vectors; null where the caller brings its own. */
  readonly embeddingModel: string | null
  /** Fields with a full-text index: `document`, or a metadata key that holds a string. */
  readonly textFields: readonly TextField[]
  /** Metadata keys without a column, so that no filter finds them. */
  readonly nonFilterableKeys: readonly string[]
  /** The doors keep their own things here, each under one name. */
  readonly custom: Readonly<Record<string, JsonValue>>
}

/** One full-text index: the analyzer's id stands for everything that decides what a term is. */
export interface TextField {
  readonly field: string
  readonly analyzer: string
}

/** Far above `limits.dimensionMax`, so that raising that limit needs no new format. */
export const storedDimensionMax = 65_536

/** Checks a schema in place; members this version does not know stay as they are. */
export function checkSchema(shape: JsonShape, value: unknown, path: string): CollectionSchema {
  const schema = shape.object(value, path)
  if (schema.dimension !== null) shape.integer(schema.dimension, `${path}.dimension`, 1, storedDimensionMax)
  shape.oneOf(schema.metric, `${path}.metric`, ['cosine', 'dot', 'euclidean'])
  if (schema.embeddingModel !== null) shape.text(schema.embeddingModel, `${path}.embeddingModel`)
  shape.list(schema.textFields, `${path}.textFields`, (item, itemPath) => {
    const { field, analyzer } = shape.object(item, itemPath)
    shape.text(field, `${itemPath}.field`)
    shape.text(analyzer, `${itemPath}.analyzer`)
  })
  shape.list(schema.nonFilterableKeys, `${path}.nonFilterableKeys`, (item, itemPath) => shape.text(item, itemPath))
  shape.json(shape.object(schema.custom, `${path}.custom`), `${path}.custom`)
  return value as CollectionSchema
}
