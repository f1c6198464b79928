import { createHash } from 'node:crypto'
import type { DocumentVersion, FileDestination, NotedDocument, Reference } from '../destination.ts'
import { keepMetadataFile, loadMetadataFile } from './keep-metadata-file.ts'
import { isSameContent, type MetadataEntry, type MetadataFile, type MetadataUpdate } from './metadata-file.ts'
import type { OpenAiDestination } from './openai-destination.ts'

/**
 * An OpenAI vector store with the metadata file of a workflow that uploaded to it before: what that file names with the same content is taken over
 * instead of uploaded, what it names with other content is replaced, and after each run it says what the store holds.
 */
export class MetadataFileDestination implements FileDestination {
  readonly takes = 'files'
  readonly name: string
  readonly #openai: OpenAiDestination
  readonly #path: string
  #file: Promise<MetadataFile> | null = null

  constructor(openai: OpenAiDestination, path: string) {
    this.name = openai.name
    this.#openai = openai
    this.#path = path
  }

  async prepare(): Promise<void> {
    await this.#openai.prepare()
    this.#file = loadMetadataFile(this.#path)
    await this.#file
  }

  async replace(document: DocumentVersion, bytes: () => AsyncIterable<Uint8Array>, previous: Reference | null, options: { signal?: AbortSignal } = {}): Promise<Reference> {
    const entry = previous ? null : await this.#entry(document.path)
    if (entry && (await isSame(entry, document, bytes))) {
      const taken = await this.#openai.adopt(document, entry.fileId, options)
      if (taken) return taken
    }
    return this.#openai.replace(document, bytes, entry ? await this.#referenceOf(entry) : previous, options)
  }

  rename(document: DocumentVersion, previous: Reference, options: { signal?: AbortSignal } = {}): Promise<Reference> {
    return this.#openai.rename(document, previous, options)
  }

  remove(path: string, reference: Reference | null, options: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#openai.remove(path, reference, options)
  }

  list(options: Parameters<OpenAiDestination['list']>[0]): ReturnType<OpenAiDestination['list']> {
    return this.#openai.list(options)
  }

  /** Writes the file, and takes out of the store what it named and the source does not have any more. */
  async finish(documents: AsyncIterable<NotedDocument>): Promise<void> {
    const held: MetadataUpdate[] = []
    const known = new Set<string>()
    for await (const { path, sha256, reference } of documents) {
      known.add(path)
      if (reference) held.push({ path, sha256, fileId: String(reference.fileId), vectorStoreId: String(reference.vectorStoreId), uploadedAt: Date.parse(String(reference.uploadedAt)) })
      else {
        // Failed so far: what was there before goes on answering, and stays named.
        const entry = await this.#entry(path)
        if (entry) held.push({ path, sha256: entry.checksum?.hex ?? '', fileId: entry.fileId, vectorStoreId: entry.vectorStoreId ?? (await this.#openai.vectorStoreId()), uploadedAt: entry.uploadedAt ?? 0 })
      }
    }
    const storeId = await this.#openai.vectorStoreId()
    for (const entry of (await this.#file)?.entries.values() ?? []) {
      if (known.has(entry.path) || (entry.vectorStoreId ?? storeId) !== storeId) continue
      await this.#openai.remove(entry.path, await this.#referenceOf(entry))
    }
    await keepMetadataFile(this.#path, held, storeId)
  }

  /** What the file says of a path in this store. */
  async #entry(path: string): Promise<MetadataEntry | null> {
    const entry = (await this.#file)?.entries.get(path)
    const storeId = await this.#openai.vectorStoreId()
    return entry && (entry.vectorStoreId ?? storeId) === storeId ? entry : null
  }

  async #referenceOf({ fileId }: MetadataEntry): Promise<Reference> {
    return { fileId, vectorStoreId: await this.#openai.vectorStoreId() }
  }
}

async function isSame(entry: MetadataEntry, { sha256 }: DocumentVersion, bytes: () => AsyncIterable<Uint8Array>): Promise<boolean> {
  if (entry.checksum?.algorithm !== 'md5') return isSameContent(entry, { sha256 }) === true
  const hash = createHash('md5')
  for await (const part of bytes()) hash.update(part)
  return isSameContent(entry, { sha256, md5: hash.digest('hex') }) === true
}
