import type { Filter } from '../../../engine/query/filter.ts'
import { conditionOf, placeKeys, translate, type ConditionForms } from '../filter-condition.ts'

/** A filter or a condition of Qdrant's. */
export type QdrantCondition = Readonly<Record<string, unknown>>

const forms: ConditionForms<QdrantCondition> = {
  and: (conditions) => ({ must: conditions }),
  or: (conditions) => ({ should: conditions }),
  leaf(condition) {
    const key = pathOf(condition.key)
    if (key === null) return null
    switch (condition.op) {
      case 'in':
        return { should: condition.values.map((value) => equals(key, value)) }
      case 'nin':
        return { must_not: condition.values.map((value) => equals(key, value)) }
      case 'exists':
        // Qdrant does not tell null, [] and absent apart: what is there for sure cannot be asked for.
        return condition.exists ? null : { is_empty: { key } }
      case 'startsWith':
        return null
      default:
        return typeof condition.value === 'number' ? { key, range: { [condition.op]: condition.value } } : null
    }
  },
}

/** The filter of a search for one vectorizer's chunks. */
export function toQdrantFilter(vectorizer: string, filter: Filter | undefined): QdrantCondition {
  const own = { key: 'vectorizer', match: { value: vectorizer } }
  const theirs = filter && translate(conditionOf(filter), forms)
  return { must: theirs ? [own, theirs] : [own] }
}

/** Numbers by a range, which finds 1 and 1.0 alike. */
function equals(key: string, value: unknown): QdrantCondition {
  return typeof value === 'number' ? { key, range: { gte: value, lte: value } } : { key, match: { value } }
}

/** Where a key of ours is in the payload; null for those that only we can look at. */
function pathOf(key: string): string | null {
  if (key === 'source') return 'path'
  if (placeKeys.has(key)) return null
  if (/^[A-Za-z0-9_-]+$/.test(key)) return `metadata.${key}`
  return /["\\[\]]/.test(key) ? null : `metadata."${key}"`
}
