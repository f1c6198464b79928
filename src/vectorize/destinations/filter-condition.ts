import type { Filter, Scalar } from '../../engine/query/filter.ts'
import type { Metadata } from '../../format/record.ts'
import type { Point } from './point-store.ts'

/** A filter without `not`, as far as one can be had; `anything`: what engines cannot say. */
export type Condition = { readonly op: 'and' | 'or'; readonly conditions: readonly Condition[] } | LeafCondition | { readonly op: 'anything' }

/** A condition on one key. */
export type LeafCondition =
  | { readonly op: 'in' | 'nin'; readonly key: string; readonly values: readonly Scalar[] }
  | { readonly op: 'gt' | 'gte' | 'lt' | 'lte'; readonly key: string; readonly value: Scalar }
  | { readonly op: 'exists'; readonly key: string; readonly exists: boolean }
  | { readonly op: 'startsWith'; readonly key: string; readonly value: string }

/** A filter whose 64-bit integers are what `plainJson` made of those that are stored. */
export function plainFilter(filter: Filter): Filter {
  const plain = (value: Scalar): Scalar => (typeof value !== 'bigint' ? value : Number.isSafeInteger(Number(value)) ? Number(value) : String(value))
  switch (filter.op) {
    case 'and':
    case 'or':
      return { op: filter.op, filters: filter.filters.map(plainFilter) }
    case 'not':
      return { op: 'not', filter: plainFilter(filter.filter) }
    case 'in':
    case 'nin':
      return { ...filter, values: filter.values.map(plain) }
    case 'eq':
    case 'ne':
      return { ...filter, value: plain(filter.value) }
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return { ...filter, value: typeof filter.value === 'bigint' ? Number(filter.value) : filter.value }
    default:
      return filter
  }
}

const anything: Condition = { op: 'anything' }

/**
 * A condition that lets pass all that `filter` does, and perhaps more: the matches are filtered again here (`matchesFilter`), so an
 * engine need not share our rules on types, lists and missing keys, only never refuse too much.
 */
export function conditionOf(filter: Filter, isNegated = false): Condition {
  switch (filter.op) {
    case 'not':
      return conditionOf(filter.filter, !isNegated)
    case 'and':
    case 'or': {
      const op = (filter.op === 'and') !== isNegated ? 'and' : 'or'
      return joined(op, filter.filters.map((each) => conditionOf(each, isNegated)))
    }
    case 'eq':
    case 'ne':
      return { op: (filter.op === 'eq') !== isNegated ? 'in' : 'nin', key: filter.key, values: [filter.value] }
    case 'in':
    case 'nin':
      return { op: (filter.op === 'in') !== isNegated ? 'in' : 'nin', key: filter.key, values: filter.values }
    case 'exists':
      return { ...filter, exists: filter.exists !== isNegated }
    default:
      // What is not above 3 may be of another type, or not there at all: more than an engine's range.
      return isNegated ? anything : filter
  }
}

/** What an engine's own form is made of; null is what it cannot say. */
export interface ConditionForms<Form> {
  and(forms: readonly Form[]): Form
  or(forms: readonly Form[]): Form
  leaf(condition: LeafCondition): Form | null
}

/** A condition in an engine's form; null where it comes to `anything`. */
export function translate<Form>(condition: Condition, forms: ConditionForms<Form>): Form | null {
  if (condition.op === 'anything') return null
  if (!('conditions' in condition)) return forms.leaf(condition)
  const parts = condition.conditions.map((each) => translate(each, forms))
  const known = parts.filter((part) => part !== null)
  // Or anything is anything; and anything is the rest.
  if (condition.op === 'or') return known.length < parts.length ? null : forms.or(known)
  return known.length === 0 ? null : forms.and(known)
}

/** What filters look at: as a chunk's record in a collection has it (`encodeChunkRow`). */
export function filterableOf({ metadata, path, title, place }: Point): Metadata {
  const { headingPath, index, page, lineStart, lineEnd, byteStart, byteEnd } = place
  const fields = { source: path, title, heading: headingPath.length > 0 ? headingPath : undefined, chunk: index, page, lineStart, lineEnd, byteStart, byteEnd }
  return { ...metadata, ...(Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Metadata) }
}

/** Keys that are not a caller's metadata: of these, engines can only find `source`. */
export const placeKeys: ReadonlySet<string> = new Set(['title', 'heading', 'chunk', 'page', 'lineStart', 'lineEnd', 'byteStart', 'byteEnd'])

function joined(op: 'and' | 'or', conditions: Condition[]): Condition {
  // An `and` of nothing is true, an `or` of nothing false: the latter no filter can say, and our own check will.
  return conditions.length === 0 ? anything : { op, conditions }
}
