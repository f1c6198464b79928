import type { Clock } from '../base/clock.ts'
import { limits } from '../base/limits.ts'
import { newNonce, type Random } from '../base/random.ts'
import { chunkKey } from '../documents/document.ts'
import type { EngineCollection } from '../engine/collection.ts'
import { parseFilter } from '../engine/query/filter.ts'
import type { Operation } from '../engine/types.ts'
import type { Metadata } from '../format/record.ts'
import type { EmbeddedChunk } from './destinations/destination.ts'
import { encodeChunkRow, encodeDocumentRow, type DocumentRow } from './document-rows.ts'

/** Rows of a document are kept back until this many bytes; a longer document becomes a generation. */
const atomicBytesMax = limits.commitBytesMax / 2

/** A document that is being written, but for its chunks. */
export interface DocumentHead {
  readonly source: string
  readonly title: string | undefined
  readonly format: string
  readonly sizeBytes: number
  readonly sha256: string
  readonly metadata: Metadata
}

export interface WriterContext {
  readonly collection: EngineCollection
  /** What made the vectors. */
  readonly model: string
  readonly clock: Clock
  readonly random: Random
}

/** One document's new chunks on their way into a collection. Old and new change places in one commit, unless somebody else was faster. */
export class CollectionWriter {
  count = 0
  readonly #context: WriterContext
  readonly #head: DocumentHead
  readonly #old: DocumentRow | null
  readonly #hashes: string[] = []
  #generation: string | undefined
  #held: Operation[] = []
  #heldBytes = 0

  /** @param old The document's row as last read: replaced by `commit` only if it is still that. */
  constructor(context: WriterContext, head: DocumentHead, old: DocumentRow | null) {
    this.#context = context
    this.#head = head
    this.#old = old
  }

  async write(chunks: readonly EmbeddedChunk[]): Promise<void> {
    const { source, title, metadata } = this.#head
    for (const { chunk, text, hash, vector } of chunks) {
      // With a generation the row of the document names no hashes: a gigabyte has a million of them.
      if (this.#generation === undefined) this.#hashes.push(hash)
      const key = chunkKey(source, chunk.index, hash)
      this.#held.push({ op: 'put', row: encodeChunkRow(key, chunk, text, vector, { source, title, generation: undefined, metadata }) })
      this.#heldBytes += vector.length * 4 + text.length * 3 + 512
      this.count++
    }
    if (this.#heldBytes > atomicBytesMax) await this.#spill()
  }

  /** Makes the new content the document's content. @throws {WindlassError} `conflict` when it was replaced meanwhile. */
  async commit(): Promise<void> {
    const { collection, model, clock } = this.#context
    const old = this.#old
    const row = encodeDocumentRow({ ...this.#head, chunkCount: this.count, state: 'indexed', error: undefined, generation: this.#generation, chunkHashes: this.#hashes }, clock.now())
    const puts = this.#take()
    const kept = new Set(puts.map((operation) => (operation.op === 'put' ? operation.row.key : '')))
    const deletes = old ? deletesOf(old).filter((operation) => operation.op !== 'delete' || !kept.has(operation.key)) : []
    await collection.write({
      operations: [...deletes, ...puts, { op: 'put', space: 'documents', row }],
      conditions: [{ space: 'documents', key: this.#head.source, version: old?.version ?? null }],
      embeddingModel: model,
    })
    if (this.#generation !== undefined || old?.generation !== undefined) await removeOtherGenerations(collection, this.#head.source, this.#generation ?? null)
  }

  /** Takes back what was written ahead; the old chunks go on answering. */
  async abort(): Promise<void> {
    const { collection } = this.#context
    this.#take()
    if (this.#generation !== undefined) await deleteListed(collection, { source: this.#head.source, generation: this.#generation })
  }

  /** Writes what is held back under a new generation, which no search shows until the document's row names it. */
  async #spill(): Promise<void> {
    const { collection, model, random } = this.#context
    this.#generation ??= newNonce(random)
    this.#hashes.length = 0
    await collection.write({ operations: this.#take(), embeddingModel: model })
  }

  /** Hands over what is held, marked with the generation if there is one by now. */
  #take(): Operation[] {
    const generation = this.#generation
    const taken = this.#held.map((operation): Operation => {
      if (generation === undefined || operation.op !== 'put') return operation
      const { row } = operation
      return { op: 'put', row: { ...row, key: keyIn(row.key, generation), metadata: { ...row.metadata, generation } } }
    })
    this.#held = []
    this.#heldBytes = 0
    return taken
  }
}

/** Removes a document and its chunks in one commit. @throws {WindlassError} `conflict` when it was replaced meanwhile. */
export async function removeDocument(collection: EngineCollection, old: DocumentRow): Promise<void> {
  await collection.write({
    operations: [...deletesOf(old), { op: 'delete', space: 'documents', key: old.source }],
    conditions: [{ space: 'documents', key: old.source, version: old.version }],
  })
  if (old.generation !== undefined) await removeOtherGenerations(collection, old.source, null)
}

/** Vectors of a stored document's chunks, null for those it does not have. @param chunks Places and hashes. */
export async function storedVectors(collection: EngineCollection, document: DocumentRow, chunks: readonly { index: number; hash: string }[]): Promise<(Float32Array | null)[]> {
  const { source, generation } = document
  const keys = chunks.map(({ index, hash }) => {
    const key = chunkKey(source, index, hash)
    return generation === undefined ? key : keyIn(key, generation)
  })
  const rows = await collection.get(keys, { consistency: 'eventual', include: { vector: true } })
  return rows.map((row) => row?.vector ?? null)
}

function keyIn(key: string, generation: string): string {
  return `${key}.${generation.slice(0, 8)}`
}

function deletesOf(row: DocumentRow): Operation[] {
  return row.chunkHashes.map((hash, index) => ({ op: 'delete', key: chunkKey(row.source, index, hash) }))
}

/** Sweeps chunks of a document that its row does not name; searches hide them already. */
function removeOtherGenerations(collection: EngineCollection, source: string, generation: string | null): Promise<void> {
  return deleteListed(collection, { source, generation: generation === null ? { $exists: true } : { $exists: true, $ne: generation } })
}

async function deleteListed(collection: EngineCollection, where: Record<string, unknown>): Promise<void> {
  const filter = parseFilter(where)
  for (;;) {
    const { rows } = await collection.list({ filter, limit: limits.listPageMax })
    if (rows.length === 0) return
    await collection.write({ operations: rows.map(({ key }) => ({ op: 'delete', key })) })
  }
}
