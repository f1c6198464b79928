import { limits } from '../../base/limits.ts'

/** Operators that combine filters. */
export type LogicalOperator = '$and' | '$or' | '$not'

/** Operators on the value of one metadata key. */
export type FieldOperator =
  | '$eq'
  | '$ne'
  | '$gt'
  | '$gte'
  | '$lt'
  | '$lte'
  | '$in'
  | '$nin'
  | '$exists'
  | '$startsWith'
  | '$contains'
  | '$not_contains'

/** What a filter means, where the doors differ. */
export interface MatchRules {
  /** `$ne`, `$nin` and `$not_contains` match rows that have not the key. */
  readonly negationMatchesMissing: boolean
  /** A comparison with a list value looks at its elements: one that fits is enough. `$contains` always does. */
  readonly looksIntoLists: boolean
}

/** What a door accepts as a filter, and what it means. */
export interface FilterRules extends MatchRules {
  readonly logicalOperators: readonly LogicalOperator[]
  readonly fieldOperators: readonly FieldOperator[]
  /** `$gt`, `$gte`, `$lt` and `$lte` take strings too, not only numbers. */
  readonly ordersStrings: boolean
  /** Every object has exactly one key and every key one operator. */
  readonly oneEntryPerObject: boolean
  /** The values of one `$in` or `$nin` are all strings, all numbers or all booleans. */
  readonly oneTypePerList: boolean
  /** `$and: []` matches everything, `$or: []` nothing; otherwise both are refused. */
  readonly allowsEmptyLogic: boolean
  /** How many values a filter may compare with; a `$in` of ten counts ten. */
  readonly termsMax: number
}

/** The rules of the library and of `/v1`. */
export const defaultFilterRules: FilterRules = {
  negationMatchesMissing: true,
  looksIntoLists: true,
  logicalOperators: ['$and', '$or', '$not'],
  fieldOperators: ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$exists', '$startsWith'],
  ordersStrings: true,
  oneEntryPerObject: false,
  oneTypePerList: false,
  allowsEmptyLogic: false,
  termsMax: limits.filterTermsMax,
}
