import type { Scalar } from './scalar.ts'

export { matchesFilter } from './filter-match.ts'
export { parseFilter } from './filter-parse.ts'
export { defaultFilterRules, type FilterRules, type MatchRules } from './filter-rules.ts'
export type { Scalar } from './scalar.ts'

/** A parsed filter: plain data. `and` of no filters matches everything, `or` of none nothing. */
export type Filter =
  | { readonly op: 'and' | 'or'; readonly filters: readonly Filter[] }
  | { readonly op: 'not'; readonly filter: Filter }
  | { readonly op: 'exists'; readonly key: string; readonly exists: boolean }
  | EqualityFilter
  | MembershipFilter
  | RangeFilter
  | PrefixFilter
  | ContainmentFilter

/** The value is, or is not, equal. */
export interface EqualityFilter {
  readonly op: 'eq' | 'ne'
  readonly key: string
  readonly value: Scalar
}

/** The value is, or is not, one of `values`. */
export interface MembershipFilter {
  readonly op: 'in' | 'nin'
  readonly key: string
  readonly values: readonly Scalar[]
}

/** The value is on one side of another; only values of the same type are in order. */
export interface RangeFilter {
  readonly op: 'gt' | 'gte' | 'lt' | 'lte'
  readonly key: string
  readonly value: Scalar
}

/** The value is a string that starts so. */
export interface PrefixFilter {
  readonly op: 'startsWith'
  readonly key: string
  readonly value: string
}

/** The value is a list with, or anything but a list with, this element. */
export interface ContainmentFilter {
  readonly op: 'contains' | 'notContains'
  readonly key: string
  readonly value: Scalar
}
