import { compareUtf8 } from '../../base/bytes.ts'
import type { Metadata, MetadataValue } from '../../format/record.ts'

export { parseFilter } from './filter-parse.ts'

/** What a filter compares with. Numbers and bigints (int64) compare by their exact value. */
export type Scalar = string | number | bigint | boolean

/** A parsed filter: plain data. */
export type Filter =
  | { readonly op: 'and' | 'or'; readonly filters: readonly Filter[] }
  | { readonly op: 'not'; readonly filter: Filter }
  | { readonly op: 'exists'; readonly key: string; readonly exists: boolean }
  | EqualityFilter
  | { readonly op: 'in' | 'nin'; readonly key: string; readonly values: readonly Scalar[] }
  | RangeFilter
  | { readonly op: 'startsWith'; readonly key: string; readonly value: string }

/** Compares for being equal. */
export interface EqualityFilter {
  readonly op: 'eq' | 'ne'
  readonly key: string
  readonly value: Scalar
}

/** Compares for order; only values of the same type are in order. */
export interface RangeFilter {
  readonly op: 'gt' | 'gte' | 'lt' | 'lte'
  readonly key: string
  readonly value: Scalar
}

/** What the doors see differently. */
export interface FilterRules {
  /** `$ne` and `$nin` match rows that have not the key. */
  readonly negationMatchesMissing: boolean
  /** A comparison with a list value looks at its elements: one that fits is enough. */
  readonly looksIntoLists: boolean
}

/** The rules of the library and of `/v1`. */
export const defaultFilterRules: FilterRules = { negationMatchesMissing: true, looksIntoLists: true }

/**
 * Whether a row's metadata matches. A value of another type than the filter's never matches, and is no error.
 * The law: `Columns.select` gives the same rows.
 */
export function matchesFilter(filter: Filter, metadata: Metadata, rules: FilterRules = defaultFilterRules): boolean {
  switch (filter.op) {
    case 'and':
      return filter.filters.every((each) => matchesFilter(each, metadata, rules))
    case 'or':
      return filter.filters.some((each) => matchesFilter(each, metadata, rules))
    case 'not':
      return !matchesFilter(filter.filter, metadata, rules)
    case 'exists':
      return Object.hasOwn(metadata, filter.key) === filter.exists
    case 'ne':
    case 'nin':
      if (!Object.hasOwn(metadata, filter.key)) return rules.negationMatchesMissing
      return !anyScalar(metadata[filter.key]!, rules, (stored) => isOneOf(stored, filter))
    case 'eq':
    case 'in':
      return Object.hasOwn(metadata, filter.key) && anyScalar(metadata[filter.key]!, rules, (stored) => isOneOf(stored, filter))
    case 'startsWith': {
      const { key, value } = filter
      return Object.hasOwn(metadata, key) && anyScalar(metadata[key]!, rules, (stored) => typeof stored === 'string' && stored.startsWith(value))
    }
    default:
      return Object.hasOwn(metadata, filter.key) && anyScalar(metadata[filter.key]!, rules, (stored) => isInRange(stored, filter))
  }
}

function isOneOf(stored: Scalar, filter: EqualityFilter | { readonly values: readonly Scalar[] }): boolean {
  const values = 'values' in filter ? filter.values : [filter.value]
  return values.some((value) => compareScalars(stored, value) === 0)
}

function isInRange(stored: Scalar, { op, value }: RangeFilter): boolean {
  const order = compareScalars(stored, value)
  if (order === null) return false
  if (op === 'gt') return order > 0
  if (op === 'gte') return order >= 0
  return op === 'lt' ? order < 0 : order <= 0
}

function anyScalar(value: MetadataValue, rules: FilterRules, test: (scalar: Scalar) => boolean): boolean {
  if (Array.isArray(value)) return rules.looksIntoLists && value.some((element) => isScalar(element) && test(element))
  return isScalar(value) && test(value)
}

/** What a column indexes; null, lists and objects only exist. */
export function isScalar(value: unknown): value is Scalar {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
}

/** Below, at or above zero; null when the types do not compare. Strings go by their UTF-8 bytes, false before true. */
export function compareScalars(a: Scalar, b: Scalar): number | null {
  if (typeof a === 'string') return typeof b === 'string' ? compareUtf8(a, b) : null
  if (typeof a === 'boolean') return typeof b === 'boolean' ? Number(a) - Number(b) : null
  if (typeof b === 'string' || typeof b === 'boolean') return null
  // JavaScript compares a bigint with a number by exact value, also beyond 2^53.
  return a < b ? -1 : a > b ? 1 : 0
}
