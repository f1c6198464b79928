import type { Clock } from '../../base/clock.ts'
import { WindlassError } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import type { ChunkMatch, ChunkQuery, DocumentVersion, DocumentWriter, HeldDocument, Reference, SearchableDestination } from './destination.ts'
import { searchPoints } from './point-search.ts'
import { documentId, type Point, type PointStore } from './point-store.ts'
import { PointWriter } from './point-writer.ts'

interface Options {
  readonly signal?: AbortSignal
}

/** Documents of one vectorizer in a store of points. What is not under its name is not touched, listed or found. */
export class PointDestination implements SearchableDestination {
  readonly takes = 'chunks'
  readonly #store: PointStore
  readonly #vectorizer: string
  readonly #clock: Clock
  readonly #random: Random
  #embedding: { dimension: number; model: string } | null = null

  constructor(store: PointStore, vectorizer: string, { clock, random }: { clock: Clock; random: Random }) {
    this.#store = store
    this.#vectorizer = vectorizer
    this.#clock = clock
    this.#random = random
  }

  get name(): string {
    return this.#store.name
  }

  async prepare(embedding: { dimension: number; model: string }): Promise<void> {
    const { name } = this.#store
    await this.#store.prepare(embedding)
    for await (const points of this.#store.scan(this.#vectorizer, { onlyHeads: true })) {
      const other = points.find(({ model, head }) => model !== embedding.model && head?.chunkCount !== 0)
      if (other) throw new WindlassError('invalid', `${name} holds vectors of ${other.model}, which those of ${embedding.model} cannot be compared with: name another, or another vectorizer`, { path: 'destinations' })
      // One page tells: whoever wrote them came through here.
      if (points.length > 0) break
    }
    this.#embedding = embedding
  }

  async begin(document: DocumentVersion, _: Reference | null, { signal }: Options = {}): Promise<DocumentWriter> {
    if (!this.#embedding) throw new WindlassError('invalid', `${this.name} was not prepared: call prepare first`)
    const id = documentId(this.#vectorizer, document.path)
    const [old = null] = await this.#store.heads([id], { signal })
    const context = { store: this.#store, vectorizer: this.#vectorizer, document: id, ...this.#embedding, clock: this.#clock, random: this.#random, signal }
    return new PointWriter(context, document, old)
  }

  async vectors(path: string, reference: Reference | null, chunks: readonly { index: number; hash: string }[]): Promise<(Float32Array | null)[]> {
    const version = reference?.version
    if (typeof version !== 'string') return chunks.map(() => null)
    const document = documentId(this.#vectorizer, path)
    const points = await this.#store.get(chunks.map(({ index }) => ({ document, version, index })), { withVectors: true })
    return chunks.map(({ hash }, i) => (points[i]?.hash === hash ? points[i].vector : null))
  }

  async remove(path: string, reference: Reference | null, { signal }: Options = {}): Promise<void> {
    const document = documentId(this.#vectorizer, path)
    const [head = null] = await this.#store.heads([document], { signal })
    const version = typeof reference?.version === 'string' ? reference.version : null
    const count = typeof reference?.chunks === 'number' ? reference.chunks : null
    // What a killed writer left, or another replaced since.
    if (version !== null && head && head.version !== version) return this.#store.removeVersion(document, version, count, { signal })
    // First the head: from then on nobody finds any of it, however far the rest comes.
    if (head) await this.#store.removeHead(document, { signal })
    if (head) await this.#store.removeVersion(document, head.version, head.head?.chunkCount ?? null, { signal })
    else if (version !== null) await this.#store.removeVersion(document, version, count, { signal })
    const removed = [head?.version, version].filter((each) => typeof each === 'string')
    for (let others = await this.#store.versions(document, removed, { signal }); others.length > 0; others = await this.#store.versions(document, removed, { signal })) {
      for (const each of others) await this.#store.removeVersion(document, each, null, { signal })
      removed.push(...others)
    }
  }

  /** One for each version of which there is something, so that what killed writers left is named too. */
  async *list({ signal }: Options = {}): AsyncIterable<HeldDocument> {
    const found = new Map<string, FoundDocument>()
    for await (const points of this.#store.scan(this.#vectorizer, { onlyHeads: false, signal })) for (const point of points) note(found, point)
    for (const { path, head, versions } of found.values()) {
      for (const [version, { count, end }] of versions) {
        if (head?.version !== version) yield { path, reference: { version, chunks: end } }
        else if (count >= head.head!.chunkCount) yield toHeld(head)
        // Without all of its chunks it is not what anybody knows of: it will be removed, and written again.
        else yield { path, reference: { version, chunks: head.head!.chunkCount, present: count } }
      }
    }
  }

  search(query: ChunkQuery, options: Options = {}): Promise<ChunkMatch[]> {
    if (!query.vector && !this.#store.knowsWords) throw new WindlassError('unsupported', `${this.name} finds by vectors only, not by words: search by meaning, or by both`, { path: 'mode' })
    return searchPoints(this.#store, this.#vectorizer, query, options)
  }

  async find(path: string, { signal }: Options = {}): Promise<HeldDocument | null> {
    const [head = null] = await this.#store.heads([documentId(this.#vectorizer, path)], { signal })
    return head && toHeld(head)
  }

  async *documents({ signal }: Options = {}): AsyncIterable<HeldDocument> {
    for await (const points of this.#store.scan(this.#vectorizer, { onlyHeads: true, signal })) for (const point of points) if (point.head) yield toHeld(point)
  }

  async close(): Promise<void> {
    await this.#store.close?.()
  }
}

interface FoundDocument {
  readonly path: string
  head: Point | null
  /** Of each version how many chunks were seen, and one more than the highest index. */
  readonly versions: Map<string, { count: number; end: number }>
}

function note(found: Map<string, FoundDocument>, point: Point): void {
  const { document, path, version, index, head } = point
  const entry = found.get(document) ?? { path, head: null, versions: new Map<string, { count: number; end: number }>() }
  found.set(document, entry)
  if (head && (entry.head === null || entry.head.version < version)) entry.head = point
  const { count, end } = entry.versions.get(version) ?? { count: 0, end: 0 }
  entry.versions.set(version, { count: count + 1, end: Math.max(end, index + 1) })
}

function toHeld({ path, version, title, model, metadata, head }: Point): HeldDocument {
  const { sha256, chunkCount, ...facts } = head!
  return { path, sha256, reference: { version, chunks: chunkCount }, facts: { ...facts, chunkCount, model, metadata, ...(title !== undefined && { title }) } }
}
