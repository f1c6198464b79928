import type { Filter } from '../../../engine/query/filter.ts'
import { conditionOf, placeKeys, translate, type ConditionForms } from '../filter-condition.ts'

type VectorFilter = Readonly<Record<string, unknown>>

const operators = { gt: '$gt', gte: '$gte', lt: '$lt', lte: '$lte' } as const

const forms: ConditionForms<VectorFilter> = {
  and: (filters) => (filters.length === 1 ? filters[0]! : { $and: filters }),
  or: (filters) => (filters.length === 1 ? filters[0]! : { $or: filters }),
  leaf(condition) {
    const { key } = condition
    // A key that did not fit is not there for a filter: `$ne` and `$exists: false` let it pass, and we look again.
    if (placeKeys.has(key) || key.startsWith('$')) return null
    switch (condition.op) {
      case 'in':
        return { [key]: condition.values.length === 1 ? { $eq: condition.values[0] } : { $in: condition.values } }
      case 'nin':
        // In S3 Vectors negations need the key to be there.
        return { $or: [{ [key]: condition.values.length === 1 ? { $ne: condition.values[0] } : { $nin: condition.values } }, { [key]: { $exists: false } }] }
      case 'exists':
        // Null, lists of other things and objects are not filterable metadata.
        return null
      case 'startsWith':
        return null
      default:
        // Only numbers have an order there.
        return typeof condition.value === 'number' ? { [key]: { [operators[condition.op]]: condition.value } } : null
    }
  },
}

/** The filter of a search for one vectorizer's chunks. Values that did not fit into filterable metadata are not found by it. */
export function toVectorFilter(vectorizer: string, filter: Filter | undefined): VectorFilter {
  const own = { vectorizer: { $eq: vectorizer } }
  const theirs = filter && translate(conditionOf(filter), forms)
  return theirs ? { $and: [own, theirs] } : own
}
