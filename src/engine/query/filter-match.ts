import type { Metadata, MetadataValue } from '../../format/record.ts'
import { defaultFilterRules, type MatchRules } from './filter-rules.ts'
import type { Filter, RangeFilter } from './filter.ts'
import { compareScalars, isScalar, type Scalar } from './scalar.ts'

/**
 * Whether a row's metadata matches. A value of another type than the filter's never matches, and is no error.
 * The law: `Columns.select` gives the same rows.
 */
export function matchesFilter(filter: Filter, metadata: Metadata, rules: MatchRules = defaultFilterRules): boolean {
  switch (filter.op) {
    case 'and':
      return filter.filters.every((each) => matchesFilter(each, metadata, rules))
    case 'or':
      return filter.filters.some((each) => matchesFilter(each, metadata, rules))
    case 'not':
      return !matchesFilter(filter.filter, metadata, rules)
    case 'exists':
      return Object.hasOwn(metadata, filter.key) === filter.exists
  }
  const isNegation = filter.op === 'ne' || filter.op === 'nin' || filter.op === 'notContains'
  // Not a plain lookup, which would find what every object inherits.
  if (!Object.hasOwn(metadata, filter.key)) return isNegation && rules.negationMatchesMissing
  const value = metadata[filter.key]!
  switch (filter.op) {
    case 'eq':
    case 'ne':
      return anyScalar(value, rules, (stored) => compareScalars(stored, filter.value) === 0) !== isNegation
    case 'in':
    case 'nin':
      return anyScalar(value, rules, (stored) => isOneOf(stored, filter.values)) !== isNegation
    case 'contains':
    case 'notContains':
      return (Array.isArray(value) && value.some((element) => isScalar(element) && compareScalars(element, filter.value) === 0)) !== isNegation
    case 'startsWith':
      return anyScalar(value, rules, (stored) => typeof stored === 'string' && stored.startsWith(filter.value))
    default:
      return anyScalar(value, rules, (stored) => isInRange(stored, filter))
  }
}

function anyScalar(value: MetadataValue, rules: MatchRules, test: (scalar: Scalar) => boolean): boolean {
  if (Array.isArray(value)) return rules.looksIntoLists && value.some((element) => isScalar(element) && test(element))
  return isScalar(value) && test(value)
}

function isOneOf(stored: Scalar, values: readonly Scalar[]): boolean {
  return values.some((value) => compareScalars(stored, value) === 0)
}

function isInRange(stored: Scalar, { op, value }: RangeFilter): boolean {
  const order = compareScalars(stored, value)
  if (order === null) return false
  if (op === 'gt') return order > 0
  if (op === 'gte') return order >= 0
  return op === 'lt' ? order < 0 : order <= 0
}
