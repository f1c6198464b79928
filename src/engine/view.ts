import type { Bitset } from '../base/bitset.ts'
import { toUtf8 } from '../base/bytes.ts'
import { WindlassError } from '../base/errors.ts'
import type { LogRecord, PutEffect } from '../format/log-record.ts'
import type { CollectionSchema, Manifest } from '../format/manifest.ts'
import type { Row, Space } from '../format/record.ts'
import type { ReadCommit } from './commit/log.ts'
import type { LoadedManifest } from './commit/manifest-object.ts'
import { Memtable, type AnalyzerFor } from './memtable.ts'
import type { Segment } from './segment.ts'
import type { VectorMemory } from './vector-memory.ts'

/** A segment and which of its rows are superseded or deleted, by the manifest's bitmap or by the log above it. */
export interface SegmentState {
  readonly segment: Segment
  dead: Bitset
  /** A snapshot holds `dead`: the next change copies it. */
  shared: boolean
  /** Rows of each space that died since the manifest's bitmap. */
  died: Record<Space, number>
}

/** A view that no write can change: what one read works on. */
export interface Snapshot {
  readonly collectionId: string
  readonly seq: number
  readonly schema: CollectionSchema
  readonly segments: readonly { readonly segment: Segment; readonly dead: Bitset }[]
  readonly memtable: Memtable
  readonly liveSlots: Readonly<Record<Space, Bitset>>
  /** Live rows of space records. */
  readonly recordCount: number
}

export interface ViewContext {
  openSegment(ref: Manifest['segments'][number]): Segment
  readonly analyzerFor: AnalyzerFor
  readonly vectors: VectorMemory
  readonly terms: WeakMap<object, Map<string, string[]>>
}

/**
 * The collection as of log number `seq`: a manifest, and the log above its floor applied to it.
 * The content is a function of the log alone; two views at one number answer alike, whatever their manifests.
 * Changes only under the collection's lane.
 */
export class View {
  readonly loaded: LoadedManifest
  readonly segments: SegmentState[]
  readonly memtable: Memtable
  /** What has been applied above the floor, oldest first. */
  readonly tail: ReadCommit[] = []
  seq: number
  schema: CollectionSchema
  name: string
  /** Set when the log has ended: nothing is ever put after it. */
  ended: { readonly kind: 'dropped' } | { readonly kind: 'moved'; readonly to: string } | null

  private constructor(loaded: LoadedManifest, segments: SegmentState[], memtable: Memtable) {
    const { manifest } = loaded
    this.loaded = loaded
    this.segments = segments
    this.memtable = memtable
    this.seq = manifest.floor
    this.schema = manifest.schema
    this.name = manifest.name
    this.ended = manifest.state === 'live' ? null : manifest.state === 'dropped' ? { kind: 'dropped' } : { kind: 'moved', to: manifest.state.movedTo }
  }

  get manifest(): Manifest {
    return this.loaded.manifest
  }

  /** The view at the manifest's floor, before any of the log is applied. */
  static async open(loaded: LoadedManifest, context: ViewContext): Promise<View> {
    // Of what has ended nothing is read, and nothing kept: it is being swept.
    const refs = loaded.manifest.state === 'live' ? loaded.manifest.segments : []
    const segments = await Promise.all(
      refs.map(async (ref) => {
        const segment = context.openSegment(ref)
        return { segment, dead: await segment.loadDeletes(), shared: false, died: { records: 0, documents: 0 } }
      }),
    )
    return new View(loaded, segments, new Memtable(context.analyzerFor, context.terms, context.vectors))
  }

  /** Applies the next commit. @throws {WindlassError} `corrupt` when it is not the next. */
  async apply(commit: ReadCommit): Promise<void> {
    const { record } = commit
    if (record.seq !== this.seq + 1) throw new WindlassError('corrupt', `log ${record.seq} cannot follow ${this.seq}`)
    if (this.ended) throw new WindlassError('corrupt', `log ${record.seq} follows the end of the collection's log`)
    const effects = record.batches.flatMap((batch) => batch.effects)
    const isNew = effects.map((effect, ordinal) => effect.kind === 'put' && isBornHere(effect, record.seq, ordinal))
    // The lookups may read segments. They come first, so that what follows is one step that no reader sees half of.
    const located = await this.#locate(effects.filter((_, i) => !isNew[i]))

    this.#applyEvent(record)
    effects.forEach((effect, ordinal) => {
      if (!isNew[ordinal]) this.#kill(effect.space, effect.key, located)
      if (effect.kind === 'put') this.memtable.add(toRow(effect, record.seq, ordinal), this.schema, effect)
    })
    this.seq = record.seq
    this.tail.push(commit)
  }

  snapshot(): Snapshot {
    for (const state of this.segments) state.shared = true
    return {
      collectionId: this.manifest.collectionId,
      seq: this.seq,
      schema: this.schema,
      segments: this.segments.map(({ segment, dead }) => ({ segment, dead })),
      memtable: this.memtable,
      liveSlots: { records: this.memtable.liveSlots('records'), documents: this.memtable.liveSlots('documents') },
      recordCount: this.count('records'),
    }
  }

  /** Live rows of `space`, without reading anything. */
  count(space: Space): number {
    let count = this.memtable.liveCount(space)
    for (const { segment, died } of this.segments) count += segment.liveCount(space) - died[space]
    return count
  }

  get unflushedBytes(): number {
    return this.tail.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  #applyEvent(record: LogRecord): void {
    const { event } = record
    if (!event) return
    if (event.kind === 'schema' || event.kind === 'created') {
      const hasNewText = JSON.stringify(event.schema.textFields) !== JSON.stringify(this.schema.textFields)
      this.schema = event.schema
      if (hasNewText) this.memtable.indexAgain(this.schema)
    }
    if (event.kind === 'renamed' || event.kind === 'created') this.name = event.name
    if (event.kind === 'dropped') this.ended = { kind: 'dropped' }
    if (event.kind === 'moved') this.ended = { kind: 'moved', to: event.to }
  }

  #kill(space: Space, key: string, located: Map<string, Place>): void {
    if (this.memtable.remove(space, key)) return
    const place = located.get(placeKey(space, key))
    if (!place || place.state.dead.has(place.row)) return
    const { state } = place
    if (state.shared) {
      state.dead = state.dead.clone()
      state.shared = false
    }
    state.dead.set(place.row)
    state.died[space]++
  }

  /** Where each key's live flushed row lies; at most one segment has a live row of a key. */
  async #locate(wanted: readonly { space: Space; key: string }[]): Promise<Map<string, Place>> {
    const places = new Map<string, Place>()
    if (wanted.length === 0) return places
    const keys = wanted.map(({ space, key }) => ({ space, key, bytes: toUtf8(key) }))
    for (const state of this.segments) {
      const section = await state.segment.keys()
      for (const { space, key, bytes } of keys) {
        const row = section.find(space, bytes)
        if (row >= 0 && !state.dead.has(row)) places.set(placeKey(space, key), { state, row })
      }
    }
    return places
  }
}

interface Place {
  readonly state: SegmentState
  readonly row: number
}

function placeKey(space: Space, key: string): string {
  return (space === 'records' ? 'r' : 'd') + key
}

function isBornHere(effect: PutEffect, seq: number, ordinal: number): boolean {
  return effect.born.seq === seq && effect.born.ordinal === ordinal
}

/** The row that a put leaves. */
export function toRow(effect: PutEffect, seq: number, ordinal: number): Row {
  const { space, key, vector, metadata, document, born } = effect
  return { space, key, vector, metadata, document, born, changed: { seq, ordinal } }
}
