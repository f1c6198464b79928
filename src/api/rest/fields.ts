import type { Metadata, MetadataValue } from '../../format/record.ts'

/** What records have under one key of their metadata. */
export interface FieldSummary {
  readonly field: string
  readonly types: readonly ('string' | 'number' | 'boolean' | 'list' | 'object')[]
  /** Records that have it. */
  readonly count: number
  /** Most frequent first, 20 at most; a list counts for each of its values. */
  readonly values: readonly { readonly value: string | number | boolean; readonly count: number }[]
  /** False: there are values that are not among `values`. */
  readonly isComplete: boolean
  /** Of the numbers. */
  readonly min?: number
  readonly max?: number
}

const valuesShownMax = 20
// Beyond it a field holds names rather than kinds, and nobody chooses from a list.
const valuesCountedMax = 2_000
// A text is no facet.
const valueLengthMax = 200

interface Tally {
  readonly types: Set<FieldSummary['types'][number]>
  count: number
  readonly values: Map<string | number | boolean, number>
  isComplete: boolean
  min: number
  max: number
}

/** What fields records have, and how often which value; fields in the order of their names. Whole numbers beyond 2^53 count as the nearest. */
export function summarizeFields(records: Iterable<Metadata>): FieldSummary[] {
  const tallies = new Map<string, Tally>()
  for (const metadata of records) {
    for (const [field, value] of Object.entries(metadata)) {
      let tally = tallies.get(field)
      if (!tally) tallies.set(field, (tally = { types: new Set(), count: 0, values: new Map(), isComplete: true, min: Infinity, max: -Infinity }))
      count(tally, value)
    }
  }
  return [...tallies].sort(([a], [b]) => (a < b ? -1 : 1)).map(([field, tally]) => summary(field, tally))
}

function count(tally: Tally, value: MetadataValue): void {
  tally.count++
  if (Array.isArray(value)) {
    tally.types.add('list')
    for (const each of new Set<MetadataValue>(value)) if (isScalar(each)) countValue(tally, each)
  } else if (isScalar(value)) {
    tally.types.add(typeof value === 'bigint' ? 'number' : (typeof value as 'string' | 'number' | 'boolean'))
    countValue(tally, value)
  } else if (value !== null) tally.types.add('object')
}

function isScalar(value: MetadataValue): value is string | number | boolean | bigint {
  return ['string', 'number', 'boolean', 'bigint'].includes(typeof value)
}

function countValue(tally: Tally, found: string | number | boolean | bigint): void {
  const value = typeof found === 'bigint' ? Number(found) : found
  if (typeof value === 'number') {
    tally.min = Math.min(tally.min, value)
    tally.max = Math.max(tally.max, value)
  }
  const isShort = typeof value !== 'string' || value.length <= valueLengthMax
  if (isShort && (tally.values.has(value) || tally.values.size < valuesCountedMax)) tally.values.set(value, (tally.values.get(value) ?? 0) + 1)
  else tally.isComplete = false
}

function summary(field: string, { types, count, values, isComplete, min, max }: Tally): FieldSummary {
  const sorted = [...values].sort(([a, n], [b, m]) => m - n || (String(a) < String(b) ? -1 : 1))
  return {
    field,
    types: [...types].sort(),
    count,
    values: sorted.slice(0, valuesShownMax).map(([value, n]) => ({ value, count: n })),
    isComplete: isComplete && sorted.length <= valuesShownMax,
    ...(min <= max && { min, max }),
  }
}
