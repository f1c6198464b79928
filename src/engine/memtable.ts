import { Bitset } from '../base/bitset.ts'
import type { Row, Space } from '../format/record.ts'
import type { CollectionSchema } from '../format/manifest.ts'
import { MemoryPostings } from '../text/postings.ts'
import type { Analyzer } from '../text/analyzer.ts'
import { ExactRows } from './exact-rows.ts'
import type { VectorMemory } from './vector-memory.ts'

/** Finds the analyzer that a schema names. */
export type AnalyzerFor = (id: string) => Analyzer

/**
 * The rows of the log that no segment holds yet, searchable. Slots only grow; a superseded row stays, marked dead,
 * so a reader's snapshot (a slot count and the dead bits of then) stays valid while writes go on.
 */
export class Memtable {
  readonly rows: Row[] = []
  readonly postings = new Map<string, MemoryPostings>()
  readonly vectors: ExactRows
  /** The effect each row came from: what its terms are remembered by. */
  readonly #origins: object[] = []
  readonly #slotByKey = new Map<string, number>()
  readonly #live: Record<Space, LiveSlots> = { records: new LiveSlots(), documents: new LiveSlots() }
  readonly #analyzerFor: AnalyzerFor
  readonly #terms: WeakMap<object, Map<string, string[]>>

  /** @param terms Kept across memtables: a row is analyzed once, however often the tail is applied again. */
  constructor(analyzerFor: AnalyzerFor, terms: WeakMap<object, Map<string, string[]>>, memory: VectorMemory) {
    this.#analyzerFor = analyzerFor
    this.#terms = terms
    this.vectors = new ExactRows(memory)
  }

  /** Adds a row under a key that has no live row here. `origin`: the effect it came from. */
  add(row: Row, schema: CollectionSchema, origin: object): void {
    const slot = this.rows.length
    this.rows.push(row)
    this.#live[row.space].add(slot)
    this.#slotByKey.set(memoryKey(row.space, row.key), slot)
    this.#origins.push(origin)
    this.#indexText(slot, schema)
  }

  /** Indexes all rows anew, for a schema whose text fields changed. Readers find the same rows in the new postings. */
  indexAgain(schema: CollectionSchema): void {
    this.postings.clear()
    for (let slot = 0; slot < this.rows.length; slot++) this.#indexText(slot, schema)
  }

  #indexText(slot: number, { textFields }: CollectionSchema): void {
    const row = this.rows[slot]!
    if (row.space !== 'records') return
    for (const { field, analyzer } of textFields) {
      const text = textOf(row, field)
      if (text === null) continue
      let postings = this.postings.get(field)
      if (!postings) this.postings.set(field, (postings = new MemoryPostings()))
      postings.add(slot, this.#termsOf(this.#origins[slot]!, field, text, analyzer))
    }
  }

  /** Marks the live row of `key` dead. @returns whether there was one. */
  remove(space: Space, key: string): boolean {
    const slot = this.#slotByKey.get(memoryKey(space, key))
    if (slot === undefined) return false
    this.#slotByKey.delete(memoryKey(space, key))
    this.#live[space].remove(slot)
    return true
  }

  find(space: Space, key: string): Row | null {
    const slot = this.#slotByKey.get(memoryKey(space, key))
    return slot === undefined ? null : this.rows[slot]!
  }

  /** The live slots of `space` as of now. */
  liveSlots(space: Space): Bitset {
    return this.#live[space].toBitset(this.rows.length)
  }

  /** How many live rows `space` has. */
  liveCount(space: Space): number {
    return this.#live[space].count
  }

  #termsOf(origin: object, field: string, text: string, analyzer: string): string[] {
    let byField = this.#terms.get(origin)
    if (!byField) this.#terms.set(origin, (byField = new Map()))
    const name = `${analyzer}\0${field}`
    let terms = byField.get(name)
    if (!terms) byField.set(name, (terms = this.#analyzerFor(analyzer).terms(text)))
    return terms
  }
}

/** Live slots of one space: a snapshot's copy costs a bit a slot. */
class LiveSlots {
  #bits = new Bitset(1024)
  count = 0

  add(slot: number): void {
    if (slot >= this.#bits.length) this.#bits = this.#bits.resized(slot * 2)
    this.#bits.set(slot)
    this.count++
  }

  remove(slot: number): void {
    this.#bits.clear(slot)
    this.count--
  }

  toBitset(length: number): Bitset {
    return this.#bits.resized(length)
  }
}

/** The text of a row's field: `document`, or a metadata key that holds a string. */
export function textOf(row: Pick<Row, 'document' | 'metadata'>, field: string): string | null {
  if (field === 'document') return row.document
  const value = Object.hasOwn(row.metadata, field) ? row.metadata[field] : null
  return typeof value === 'string' ? value : null
}

function memoryKey(space: Space, key: string): string {
  return (space === 'records' ? 'r' : 'd') + key
}
