import { isWindlassError, WindlassError } from '../../base/errors.ts'
import { limits } from '../../base/limits.ts'
import { parseFilter } from '../../engine/query/filter.ts'
import { decodeDocumentRow, type DocumentRow } from '../document-rows.ts'
import { CollectionWriter, removeDocument, storedVectors } from '../document-writer.ts'
import type { CollectionDoor, VectorizeContext } from '../run/context.ts'
import type { ChunkDestination, DocumentVersion, DocumentWriter, HeldDocument, Reference } from './destination.ts'

const conflictRetriesMax = 4

/** A collection of the bucket: its documents are searched, listed and read like those of `windlass index`. */
export class CollectionDestination implements ChunkDestination {
  readonly takes = 'chunks'
  readonly name: string
  readonly #collectionName: string
  readonly #vectorizer: string
  readonly #context: VectorizeContext
  #door: CollectionDoor | null = null
  #model = ''

  constructor(collectionName: string, vectorizer: string, context: VectorizeContext) {
    this.name = `collection:${collectionName}`
    this.#collectionName = collectionName
    this.#vectorizer = vectorizer
    this.#context = context
  }

  async prepare({ dimension, model }: { dimension: number; model: string }): Promise<void> {
    this.#model = model
    const schema = await (await this.#open(dimension)).run((collection) => collection.schema())
    if (schema.dimension !== null && schema.dimension !== dimension) {
      throw new WindlassError('invalid', `collection ${JSON.stringify(this.#collectionName)} holds vectors of ${schema.dimension} values, and ${model} makes ${dimension}: name another collection`, { path: 'destinations' })
    }
    if (schema.embeddingModel !== null && schema.embeddingModel !== model) {
      throw new WindlassError('invalid', `collection ${JSON.stringify(this.#collectionName)} holds vectors of ${schema.embeddingModel}, which those of ${model} cannot be compared with: name another collection`, { path: 'destinations' })
    }
  }

  async begin(document: DocumentVersion): Promise<DocumentWriter> {
    const { path, title, format = 'unknown', sizeBytes, sha256, metadata } = document
    const { clock, random } = this.#context
    return (await this.#open()).run(async (collection) => {
      const old = await this.#find(path)
      const owner = old?.metadata.vectorizer
      if (old && owner !== undefined && owner !== this.#vectorizer) {
        throw new WindlassError('invalid', `${path} is in collection ${JSON.stringify(this.#collectionName)} already, from vectorizer ${JSON.stringify(owner)}: give one of the two another collection`, { path })
      }
      const head = { source: path, title, format, sizeBytes, sha256, metadata: { ...metadata, vectorizer: this.#vectorizer } }
      const writer = new CollectionWriter({ collection, model: this.#model, clock, random }, head, old)
      return {
        write: (chunks) => writer.write(chunks),
        commit: async () => {
          await writer.commit()
          return {}
        },
        abort: () => writer.abort(),
      }
    })
  }

  async vectors(path: string, _reference: Reference | null, chunks: readonly { index: number; hash: string }[]): Promise<(Float32Array | null)[]> {
    const old = await this.#find(path)
    return old ? (await this.#open()).run((collection) => storedVectors(collection, old, chunks)) : chunks.map(() => null)
  }

  async remove(path: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const old = await this.#find(path)
      // What another vectorizer, or a person, put there is not ours to remove.
      if (!old || old.metadata.vectorizer !== this.#vectorizer) return
      try {
        return await (await this.#open()).run((collection) => removeDocument(collection, old))
      } catch (error) {
        if (!isWindlassError(error, 'conflict') || attempt >= conflictRetriesMax) throw error
      }
    }
  }

  async *list(): AsyncIterable<HeldDocument> {
    const filter = parseFilter({ vectorizer: this.#vectorizer })
    const door = await this.#open()
    for (let after: string | undefined; ; ) {
      const { rows, next } = await door.run((collection) =>
        collection.list({ space: 'documents', filter, limit: limits.listPageMax, include: { metadata: true }, ...(after !== undefined && { after }) }),
      )
      for (const row of rows.map(decodeDocumentRow)) yield { path: row.source, sha256: row.sha256, reference: {} }
      if (next === undefined) return
      after = next
    }
  }

  async #find(path: string): Promise<DocumentRow | null> {
    const [row] = await (await this.#open()).run((collection) => collection.get([path], { space: 'documents', include: { metadata: true, document: true } }))
    return row ? decodeDocumentRow(row) : null
  }

  async #open(dimension?: number): Promise<CollectionDoor> {
    return (this.#door ??= await this.#context.collection(this.#collectionName, dimension === undefined ? {} : { dimension }))
  }
}
