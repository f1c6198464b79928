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
// Records may be called by names of their own in their metadata: what is kept of all of them has a bound.
const fieldsMax = 1_000
const valuesOfAllFieldsMax = 50_000

interface Tally {
  readonly types: Set<FieldSummary['types'][number]>
  count: number
  readonly values: Map<string | number | boolean, number>
  isComplete: boolean
  min: number
  max: number
}

/** What fields records have, and how often which value; it keeps counts, and no record. Whole numbers beyond 2^53 count as the nearest. */
export class FieldTally {
  /** False: there are fields that are not counted, since there are too many. */
  hasAllFields = true
  readonly #tallies = new Map<string, Tally>()
  #valueCount = 0

  add(metadata: Metadata): void {
    for (const [field, value] of Object.entries(metadata)) {
      let tally = this.#tallies.get(field)
      if (!tally) {
        if (this.#tallies.size === fieldsMax) {
          this.hasAllFields = false
          continue
        }
        this.#tallies.set(field, (tally = { types: new Set(), count: 0, values: new Map(), isComplete: true, min: Infinity, max: -Infinity }))
      }
      this.#count(tally, value)
    }
  }

  /** In the order of their names. */
  fields(): FieldSummary[] {
    return [...this.#tallies].sort(([a], [b]) => (a < b ? -1 : 1)).map(([field, tally]) => summary(field, tally))
  }

  #count(tally: Tally, value: MetadataValue): void {
    tally.count++
    if (Array.isArray(value)) {
      tally.types.add('list')
      for (const each of new Set<MetadataValue>(value)) if (isScalar(each)) this.#countValue(tally, each)
    } else if (isScalar(value)) {
      tally.types.add(typeof value === 'bigint' ? 'number' : (typeof value as 'string' | 'number' | 'boolean'))
      this.#countValue(tally, value)
    } else if (value !== null) tally.types.add('object')
  }

  #countValue(tally: Tally, found: string | number | boolean | bigint): void {
    const value = typeof found === 'bigint' ? Number(found) : found
    if (typeof value === 'number') {
      tally.min = Math.min(tally.min, value)
      tally.max = Math.max(tally.max, value)
    }
    const before = tally.values.get(value)
    if (before !== undefined) tally.values.set(value, before + 1)
    else if ((typeof value === 'string' && value.length > valueLengthMax) || tally.values.size === valuesCountedMax || this.#valueCount === valuesOfAllFieldsMax) tally.isComplete = false
    else {
      tally.values.set(value, 1)
      this.#valueCount++
    }
  }
}

function isScalar(value: MetadataValue): value is string | number | boolean | bigint {
  return ['string', 'number', 'boolean', 'bigint'].includes(typeof value)
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
