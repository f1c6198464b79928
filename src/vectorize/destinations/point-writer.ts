import { toIsoTime, type Clock } from '../../base/clock.ts'
import { WindlassError } from '../../base/errors.ts'
import { newId, timeOfId, type Random } from '../../base/random.ts'
import type { DocumentVersion, DocumentWriter, EmbeddedChunk, Reference } from './destination.ts'
import type { Point, PointStore } from './point-store.ts'

/** What is held back until the commit: most documents are then written and made visible at once, and abort takes nothing back. */
const heldChunksMax = 128
/** Rounds of looking for what killed writers left: each names all that one request can. */
const roundsMax = 20

export interface PointWriterContext {
  readonly store: PointStore
  readonly vectorizer: string
  /** `documentId` of the two. */
  readonly document: string
  readonly model: string
  readonly dimension: number
  readonly clock: Clock
  readonly random: Random
  readonly signal?: AbortSignal | undefined
}

/**
 * Writes a version: its chunks first, the head last, which makes it count; then it removes what came before.
 *
 * Killed before the head: nobody sees what was written, and the next commit removes it. Killed after: the old chunks are not seen any
 * more, and the next commit removes them. Of two writers the one that finds another's head in place of the old one gives way.
 */
export class PointWriter implements DocumentWriter {
  readonly #context: PointWriterContext
  readonly #version: DocumentVersion
  readonly #old: Point | null
  readonly #id: string
  #head: Point | null = null
  #held: Point[] = []
  #count = 0
  #isSpilled = false

  /** @param old The head that stands; its version is what this one replaces. */
  constructor(context: PointWriterContext, version: DocumentVersion, old: Point | null) {
    this.#context = context
    this.#version = version
    this.#old = old
    this.#id = versionAfter(old?.version, context)
  }

  async write(chunks: readonly EmbeddedChunk[]): Promise<void> {
    for (const { chunk, text, hash, vector } of chunks) {
      const { dimension } = this.#context
      if (vector.length !== dimension) throw new WindlassError('invalid', `${this.#version.path}: chunk ${chunk.index} has a vector of ${vector.length} values, and ${this.#context.store.name} takes ${dimension}`, { path: this.#version.path })
      const { text: _, embeddingText: __, tokenCount: ___, ...place } = chunk
      const point = { ...this.#shared(), index: this.#count++, text, hash, vector: vector.some((value) => value !== 0) ? vector : null, place }
      if (point.index === 0) this.#head = point
      else this.#held.push(point)
    }
    if (this.#held.length >= heldChunksMax) await this.#spill()
  }

  async commit(): Promise<Reference> {
    const { store, document, clock, signal } = this.#context
    await this.#spill()
    const [now = null] = await store.heads([document], { signal })
    if ((now?.version ?? null) !== (this.#old?.version ?? null)) {
      await this.abort()
      throw this.#conflict()
    }
    const { sha256, format = 'unknown', sizeBytes } = this.#version
    const chunkCount = this.#count
    const head = { sha256, format, sizeBytes, chunkCount, indexedAt: toIsoTime(clock.now()) }
    await store.put([{ ...(this.#head ?? { ...this.#shared(), index: 0, text: '', hash: '', vector: null, place: { index: 0, headingPath: [] } }), head }], { signal })
    await this.#removeOthers()
    return { version: this.#id, chunks: chunkCount }
  }

  async abort(): Promise<void> {
    const { store, document } = this.#context
    this.#held = []
    if (this.#isSpilled) await store.removeVersion(document, this.#id, this.#count)
  }

  /** Takes away what this version replaces, and what killed writers left. */
  async #removeOthers(): Promise<void> {
    const { store, document, signal } = this.#context
    const [now = null] = store.isDelayed ? [null] : await store.heads([document], { signal })
    if (now && now.version !== this.#id) {
      await this.abort()
      throw this.#conflict()
    }
    if (this.#old) await store.removeVersion(document, this.#old.version, this.#old.head?.chunkCount ?? null, { signal })
    const except = this.#old ? [this.#id, this.#old.version] : [this.#id]
    for (let i = 0; i < roundsMax; i++) {
      const others = await store.versions(document, except, { signal })
      if (others.length === 0) break
      // Where nobody can tell who was last, the newest version counts: that of another writer may be it.
      for (const version of others) if (!store.isDelayed || version < this.#id) await store.removeVersion(document, version, null, { signal })
      except.push(...others)
    }
    if (this.#count > 1 && !store.isDelayed) await this.#prove()
  }

  /**
   * A writer that took over may have removed our chunks just before our head was there: then nobody else repeats them. It removes all
   * of a version, so two of them tell.
   */
  async #prove(): Promise<void> {
    const { store, document, signal } = this.#context
    const points = await store.get([1, this.#count - 1].map((index) => ({ document, version: this.#id, index })), { signal })
    if (points.includes(null)) throw this.#conflict()
  }

  async #spill(): Promise<void> {
    const { store, signal } = this.#context
    if (this.#held.length === 0) return
    this.#isSpilled = true
    const held = this.#held
    this.#held = []
    await store.put(held, { signal })
  }

  #shared() {
    const { vectorizer, document, model } = this.#context
    const { path, title, metadata } = this.#version
    return { vectorizer, document, version: this.#id, path, model, metadata, ...(title !== undefined && { title }) }
  }

  #conflict(): WindlassError {
    return new WindlassError('conflict', `${this.#version.path} was replaced in ${this.#context.store.name} by another writer meanwhile: read it again`, { path: this.#version.path })
  }
}

/** An id that sorts after the version it replaces, even where the clock that made that one was ahead. */
function versionAfter(old: string | undefined, { clock, random }: { clock: Clock; random: Random }): string {
  return newId(Math.max(clock.now(), old === undefined ? 0 : timeOfId(old) + 1), random)
}
