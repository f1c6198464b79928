import { WindlassError } from '../../base/errors.ts'
import { chunksOf } from '../../base/groups.ts'
import type { LogEffect } from '../../format/log-record.ts'
import type { CollectionSchema } from '../../format/manifest.ts'
import type { Metadata, MetadataValue, Row, Space, Stamp } from '../../format/record.ts'
import { selectCandidates, forEachInGroups } from '../query/candidates.ts'
import { defaultFilterRules, matchesFilter, type Filter } from '../query/filter.ts'
import { findRows, readRows, stampsOf, type RowRef } from '../query/rows.ts'
import { versionOf, type Batch, type Operation } from '../types.ts'
import { checkDimension, checkRow } from '../validate.ts'
import type { Snapshot } from '../view.ts'

/** What a batch does at its place in the log. */
export interface ResolvedBatch {
  readonly effects: readonly LogEffect[]
  readonly putCount: number
  readonly deletedCount: number
  readonly skippedCount: number
}

/** What an earlier operation of the same commit left of a key. */
type Pending = { readonly row: Row } | { readonly deleted: true }

/**
 * Turns operations into effects: the writer that wins number `seq` has seen everything before it, so what it resolves here
 * is what every reader and flusher will apply, whatever their version (docs/protocol.md, B5).
 */
export class Resolver {
  readonly #snapshot: Snapshot
  readonly #seq: number
  readonly #pending = new Map<string, { space: Space; key: string; state: Pending }>()
  #ordinal = 0
  #schema: CollectionSchema

  constructor(snapshot: Snapshot, seq: number) {
    this.#snapshot = snapshot
    this.#seq = seq
    this.#schema = snapshot.schema
  }

  /** The schema after the batches so far: the first vector fixes the dimension. */
  get schema(): CollectionSchema {
    return this.#schema
  }

  /**
   * Resolves a batch against the view and the batches before it. A failing batch leaves no trace.
   * @throws {WindlassError} `conflict` when a condition does not hold, `invalid` for a wrong dimension.
   */
  async resolve(batch: Batch): Promise<ResolvedBatch> {
    const undo = { pending: new Map(this.#pending), ordinal: this.#ordinal, schema: this.#schema }
    try {
      return await this.#resolve(batch)
    } catch (error) {
      this.#pending.clear()
      for (const [name, entry] of undo.pending) this.#pending.set(name, entry)
      this.#ordinal = undo.ordinal
      this.#schema = undo.schema
      throw error
    }
  }

  async #resolve(batch: Batch): Promise<ResolvedBatch> {
    const effects: LogEffect[] = []
    const counts = { putCount: 0, deletedCount: 0, skippedCount: 0 }
    const base = await this.#locate(batch)
    for (const condition of batch.conditions ?? []) {
      const found = await this.#current(condition.space ?? 'records', condition.key, base)
      const version = found ? versionOf(this.#snapshot.collectionId, found.changed) : null
      if (version !== condition.version) {
        const expected = condition.version === null ? 'absent' : `at version ${condition.version}`
        throw new WindlassError('conflict', `row ${JSON.stringify(condition.key)} is ${version === null ? 'absent' : `at version ${version}`}, expected ${expected}: read it again`, { path: 'conditions' })
      }
    }
    if (batch.embeddingModel !== undefined) this.#claimModel(batch.embeddingModel)
    if (batch.schema) this.#schema = { ...this.#schema, ...batch.schema(this.#schema) }
    for (const operation of batch.operations) await this.#resolveOne(operation, base, effects, counts)
    return { effects, ...counts }
  }

  async #resolveOne(operation: Operation, base: Map<string, RowRef>, effects: LogEffect[], counts: { putCount: number; deletedCount: number; skippedCount: number }): Promise<void> {
    const space = operation.space ?? 'records'
    if (operation.op === 'delete-where') {
      for (const key of await this.#matching(space, operation.filter)) {
        this.#emitDelete(space, key, effects)
        counts.deletedCount++
      }
      return
    }
    const key = operation.op === 'put' ? operation.row.key : operation.key
    const current = await this.#current(space, key, base)
    if (operation.op === 'delete') {
      if (!current) return
      this.#emitDelete(space, key, effects)
      counts.deletedCount++
      return
    }
    if (operation.op === 'put') {
      if (operation.ifAbsent && current) {
        counts.skippedCount++
        return
      }
      this.#emitPut(space, checkRow(operation.row), current?.born, effects)
      counts.putCount++
      return
    }
    if (!current) {
      counts.skippedCount++
      return
    }
    const old = await this.#whole(space, key, base)
    const patched = checkRow({
      key,
      vector: operation.vector ?? old.vector,
      metadata: operation.metadata ? mergeMetadata(old.metadata, operation.metadata) : old.metadata,
      document: operation.document === undefined ? old.document : operation.document,
    })
    this.#emitPut(space, patched, current.born, effects)
    counts.putCount++
  }

  /** Vectors of two models do not compare: the first batch that names its model names it for the collection. */
  #claimModel(model: string): void {
    const { embeddingModel } = this.#schema
    if (embeddingModel === null) this.#schema = { ...this.#schema, embeddingModel: model }
    else if (embeddingModel !== model) {
      throw new WindlassError('invalid', `the collection's vectors are of ${embeddingModel}, these are of ${model}: use another collection, or the same model`, { path: 'embeddingModel' })
    }
  }

  #emitPut(space: Space, row: { key: string; vector: Float32Array | null; metadata: Metadata; document: string | null }, born: Stamp | undefined, effects: LogEffect[]): void {
    if (row.vector) {
      checkDimension(`vector of ${JSON.stringify(row.key)}`, row.vector, this.#schema.dimension)
      if (this.#schema.dimension === null) this.#schema = { ...this.#schema, dimension: row.vector.length }
    }
    const stamp = { seq: this.#seq, ordinal: this.#ordinal++ }
    const whole = { space, ...row, born: born ?? stamp }
    effects.push({ kind: 'put', ...whole })
    this.#pending.set(pendingName(space, row.key), { space, key: row.key, state: { row: { ...whole, changed: stamp } } })
  }

  #emitDelete(space: Space, key: string, effects: LogEffect[]): void {
    this.#ordinal++
    effects.push({ kind: 'delete', space, key })
    this.#pending.set(pendingName(space, key), { space, key, state: { deleted: true } })
  }

  /** Finds in the view, at once, all rows that the batch names. */
  async #locate(batch: Batch): Promise<Map<string, RowRef>> {
    const found = new Map<string, RowRef>()
    for (const space of ['records', 'documents'] as const) {
      const keys = new Set<string>()
      for (const operation of batch.operations) {
        if (operation.op === 'delete-where' || (operation.space ?? 'records') !== space) continue
        keys.add(operation.op === 'put' ? operation.row.key : operation.key)
      }
      for (const condition of batch.conditions ?? []) if ((condition.space ?? 'records') === space) keys.add(condition.key)
      if (keys.size === 0) continue
      const names = [...keys]
      const refs = await findRows(this.#snapshot, space, names)
      refs.forEach((ref, i) => ref && found.set(pendingName(space, names[i]!), ref))
    }
    return found
  }

  async #current(space: Space, key: string, base: Map<string, RowRef>): Promise<{ born: Stamp; changed: Stamp } | null> {
    const pending = this.#pending.get(pendingName(space, key))
    if (pending) return 'row' in pending.state ? pending.state.row : null
    const ref = base.get(pendingName(space, key))
    return ref ? stampsOf(ref) : null
  }

  async #whole(space: Space, key: string, base: Map<string, RowRef>): Promise<Pick<Row, 'vector' | 'metadata' | 'document'>> {
    const pending = this.#pending.get(pendingName(space, key))
    if (pending && 'row' in pending.state) return pending.state.row
    const [view] = await readRows(this.#snapshot, [base.get(pendingName(space, key))!], { vector: true, metadata: true, document: true })
    return { vector: view!.vector ?? null, metadata: view!.metadata ?? {}, document: view!.document ?? null }
  }

  async #matching(space: Space, filter: Filter): Promise<string[]> {
    const refs: RowRef[] = []
    const candidates = await selectCandidates(this.#snapshot, space, filter)
    for (const source of candidates) {
      const rows = await source.rows()
      rows.forEach((index) => {
        refs.push('memory' in source ? { row: source.memory[index]! } : { segment: source.segment, rowIndex: index })
      })
    }
    const keys: string[] = []
    await forEachInGroups(chunksOf(refs, 10_000), async (chunk) => {
      for (const { key } of await readRows(this.#snapshot, chunk, {})) if (!this.#pending.has(pendingName(space, key))) keys.push(key)
    })
    for (const entry of this.#pending.values()) {
      if (entry.space === space && 'row' in entry.state && matchesFilter(filter, entry.state.row.metadata, defaultFilterRules)) keys.push(entry.key)
    }
    return keys
  }
}

/** Merges `changes` into `metadata`: null removes a key (RFC 7396, one level deep). */
function mergeMetadata(metadata: Metadata, changes: Metadata): Metadata {
  const merged = new Map<string, MetadataValue>(Object.entries(metadata))
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) merged.delete(key)
    else merged.set(key, value)
  }
  return Object.fromEntries(merged)
}

function pendingName(space: Space, key: string): string {
  return (space === 'records' ? 'r' : 'd') + key
}
