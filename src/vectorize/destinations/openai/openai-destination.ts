import { toHex } from '../../../base/bytes.ts'
import { toIsoTime } from '../../../base/clock.ts'
import { isWindlassError, WindlassError } from '../../../base/errors.ts'
import type { Random } from '../../../base/random.ts'
import type { DocumentVersion, FileDestination, HeldDocument, ListHeldOptions, Reference } from '../destination.ts'
import { Attachments } from './attachments.ts'
import { attributesOf, readAttributes } from './attributes.ts'
import { markerOf } from './filename.ts'
import { deleteObject, getOrNull, listAll, type ApiEntry, type ApiFile } from './openai-api.ts'
import { OpenAiClient, type OpenAiConnection, type OpenAiUsage } from './openai-client.ts'
import { partBytesDefault, uploadFile } from './upload-file.ts'
import { findVectorStore } from './vector-store.ts'

export interface OpenAiDestinationSettings extends OpenAiConnection {
  /** Its files are told by this name from others in the same store. */
  readonly vectorizer: string
  /** Id (`vs_…`) or name. */
  readonly vectorStore: string
  readonly chunking?: { readonly maxTokens: number; readonly overlapTokens: number }
  /** How long a file waits for others, that are being uploaded, to be attached with them. Default 500. */
  readonly batchDelayMs?: number
  /** Files of one batch, at most 2,000. Default 500. */
  readonly batchFilesMax?: number
  /** Files above this size are uploaded in parts of it; at most 64 MB. Default 16 MiB. */
  readonly partBytes?: number
  /** How long OpenAI may take to process a file. Default half an hour. */
  readonly processingMaxMs?: number
  /** A File that is attached to nothing is a killed run's when it is older than this; a younger one may be on its way. Default ten minutes. */
  readonly leftoverAgeMs?: number
}

/** What a run did at OpenAI. */
export interface OpenAiDestinationUsage extends OpenAiUsage {
  uploadedFiles: number
  uploadedBytes: number
  removedFiles: number
}

const foundForMs = 60_000

/** Where one stored document is. */
interface Place {
  readonly fileId: string
  readonly vectorStoreId: string
}

/**
 * An OpenAI vector store: each document is a File and an entry of the store, whose attributes tell whose it is, its path and SHA-256.
 * OpenAI parses, chunks and embeds. A document is found as soon as its entry is processed; for a moment old and new are found both.
 */
export class OpenAiDestination implements FileDestination {
  readonly takes = 'files'
  readonly name: string
  readonly #client: OpenAiClient
  readonly #attachments: Attachments
  readonly #settings: OpenAiDestinationSettings
  readonly #random: Random
  readonly #counts = { uploadedFiles: 0, uploadedBytes: 0, removedFiles: 0 }
  #storeId: Promise<string> | null = null
  /** What `remove` found when it was given no reference: reading the whole store for each of many would take for ever. */
  #found: { readonly at: number; readonly byPath: Promise<Map<string, Reference[]>> } | null = null

  constructor(settings: OpenAiDestinationSettings) {
    const { vectorStore, batchDelayMs = 500, batchFilesMax = 500, processingMaxMs = 30 * 60_000, chunking, random } = settings
    this.name = `openai:${vectorStore}`
    this.#settings = settings
    this.#random = random
    this.#client = new OpenAiClient(settings)
    this.#attachments = new Attachments(this.#client, { batchDelayMs, batchFilesMax, processingMaxMs, ...(chunking && { chunking }) })
  }

  get usage(): OpenAiDestinationUsage {
    return { ...this.#client.usage, ...this.#counts }
  }

  /** Finds the vector store, or makes it where a name is declared that none has. */
  async prepare(): Promise<void> {
    await this.#openStore()
  }

  /** The id of the vector store, once it is known. */
  vectorStoreId(): Promise<string> {
    return this.#openStore()
  }

  async replace(document: DocumentVersion, bytes: () => AsyncIterable<Uint8Array>, previous: Reference | null, { signal }: { signal?: AbortSignal } = {}): Promise<Reference> {
    const { vectorizer, partBytes = partBytesDefault } = this.#settings
    const attributes = attributesOf(vectorizer, document)
    const storeId = await this.#openStore()
    this.#found = null
    const nonce = toHex(this.#random.bytes(4))
    const arrived = this.#attachments.announce()
    const file = await uploadFile(this.#client, document, bytes, { marker: markerOf(vectorizer, storeId), nonce, partBytes, signal }).catch((error: unknown) => {
      arrived()
      throw error
    })
    this.#counts.uploadedFiles++
    this.#counts.uploadedBytes += document.sizeBytes
    const place = { fileId: file.id, vectorStoreId: storeId }
    try {
      const attached = this.#attachments.attach({ storeId, fileId: file.id, path: document.path, attributes }, signal)
      arrived()
      await attached
      // From here on it is quicker to end than to take back: the signal is not asked any more.
      if (previous) await this.#detach(document.path, placeOf(previous))
    } catch (error) {
      await this.#removeQuietly(document.path, place)
      throw error
    }
    // Out of the store it is out of all searches; a File that cannot be deleted now is listed as left over.
    if (previous) await this.#deleteFile(document.path, placeOf(previous)).catch(() => {})
    return referenceTo(place, file.created_at)
  }

  /**
   * Takes over a file that somebody else put into the vector store, so that it need not be uploaded again.
   * @returns Null when it is not there, or was not processed: then store the document.
   */
  async adopt(document: DocumentVersion, fileId: string, { signal }: { signal?: AbortSignal } = {}): Promise<Reference | null> {
    const storeId = await this.#openStore()
    const id = encodeURIComponent(fileId)
    const operation = `take over ${document.path}`
    const file = await getOrNull<ApiFile>(this.#client, `/files/${id}`, operation, signal)
    const entry = file && (await getOrNull<ApiEntry>(this.#client, `/vector_stores/${storeId}/files/${id}`, operation, signal))
    if (entry?.status !== 'completed') return null
    return this.rename(document, referenceTo({ fileId, vectorStoreId: storeId }, file!.created_at), signal ? { signal } : {})
  }

  /** Changes the attributes in place; the File keeps the name it was uploaded under. @throws {WindlassError} `not-found` when it is not there. */
  async rename(document: DocumentVersion, previous: Reference, { signal }: { signal?: AbortSignal } = {}): Promise<Reference> {
    const { fileId, vectorStoreId } = placeOf(previous)
    const attributes = attributesOf(this.#settings.vectorizer, document)
    await this.#client.send({ method: 'POST', path: `/vector_stores/${vectorStoreId}/files/${fileId}`, operation: `rename to ${document.path}`, json: { attributes }, signal })
    return previous
  }

  /** @param reference Null: everything of that path is looked for, which lists the whole store. */
  async remove(path: string, reference: Reference | null, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    if (!reference) {
      for (const each of (await this.#findAll(signal)).get(path) ?? []) await this.remove(path, each, signal ? { signal } : {})
      return
    }
    const place = placeOf(reference)
    await this.#detach(path, place, signal)
    await this.#deleteFile(path, place, signal)
  }

  /**
   * Entries of this vectorizer. Those that failed and those whose File is gone have a reference that no `replace` has given (`damage` tells
   * why), so that they are taken for strangers: removed, and stored again. Files that a killed run left without an entry have paths that
   * no document has: `openai-file:<id>/<filename>`. A path comes twice where a run was killed between storing and its note of it.
   * @param options.isAlone Asked after everything is listed: then Files without an entry are left over, however young.
   */
  async *list({ signal, isAlone = () => Promise.resolve(false) }: ListHeldOptions = {}): AsyncIterable<HeldDocument> {
    const { vectorizer, leftoverAgeMs = 600_000 } = this.#settings
    const storeId = await this.#openStore()
    const marker = markerOf(vectorizer, storeId)
    const created = new Map<string, number>()
    const unattached = new Map<string, ApiFile>()
    // Before the entries: a File is there before its entry, so that one which is missing here needs a closer look, and few do.
    for await (const file of listAll<ApiFile>(this.#client, '/files', { purpose: 'assistants', limit: '10000' }, 'list files', signal)) {
      created.set(file.id, file.created_at)
      if (file.filename.includes(marker)) unattached.set(file.id, file)
    }
    for await (const entry of listAll<ApiEntry>(this.#client, `/vector_stores/${storeId}/files`, { limit: '100' }, 'list the vector store', signal)) {
      unattached.delete(entry.id)
      const told = readAttributes(entry.attributes)
      if (told?.vectorizer !== vectorizer) continue
      const file = created.has(entry.id) ? null : await getOrNull<ApiFile>(this.#client, `/files/${entry.id}`, 'check a file', signal)
      const createdAt = created.get(entry.id) ?? file?.created_at
      const reference = referenceTo({ fileId: entry.id, vectorStoreId: storeId }, createdAt)
      const damage = createdAt === undefined ? 'its File is gone' : entry.status === 'failed' || entry.status === 'cancelled' ? entry.status : null
      yield damage === null ? { path: told.path, reference, ...(told.sha256 !== undefined && { sha256: told.sha256 }) } : { path: told.path, reference: { ...reference, damage } }
    }
    const latest = (this.#client.serverNow() - leftoverAgeMs) / 1000
    const areAllLeft = unattached.size > 0 && (await isAlone())
    for (const file of unattached.values()) {
      if (file.created_at > latest && !areAllLeft) continue
      // The list of entries is read newest first while others add to it.
      if (await getOrNull(this.#client, `/vector_stores/${storeId}/files/${file.id}`, 'check a file', signal)) continue
      yield { path: `openai-file:${file.id}/${file.filename}`, reference: referenceTo({ fileId: file.id, vectorStoreId: storeId }, file.created_at) }
    }
  }

  async #findAll(signal: AbortSignal | undefined): Promise<Map<string, Reference[]>> {
    const now = this.#client.clock.monotonic()
    if (!this.#found || now - this.#found.at > foundForMs) {
      const read = async () => {
        const byPath = new Map<string, Reference[]>()
        for await (const { path, reference } of this.list(signal ? { signal } : {})) byPath.set(path, [...(byPath.get(path) ?? []), reference])
        return byPath
      }
      const byPath = read()
      this.#found = { at: now, byPath }
      byPath.catch(() => (this.#found = null))
    }
    return this.#found.byPath
  }

  #openStore(): Promise<string> {
    this.#storeId ??= findVectorStore(this.#client, this.#settings.vectorStore).catch((error: unknown) => {
      this.#storeId = null
      throw error
    })
    return this.#storeId
  }

  #detach(path: string, { fileId, vectorStoreId }: Place, signal?: AbortSignal): Promise<void> {
    return deleteObject(this.#client, `/vector_stores/${vectorStoreId}/files/${fileId}`, `remove ${path}`, signal)
  }

  async #deleteFile(path: string, { fileId }: Place, signal?: AbortSignal): Promise<void> {
    await deleteObject(this.#client, `/files/${fileId}`, `remove ${path}`, signal)
    this.#counts.removedFiles++
  }

  /** What cannot be removed now is listed as left over. */
  async #removeQuietly(path: string, place: Place): Promise<void> {
    try {
      await this.#detach(path, place)
      await this.#deleteFile(path, place)
    } catch (error) {
      if (!isWindlassError(error)) throw error
    }
  }
}

function referenceTo({ fileId, vectorStoreId }: Place, createdAt: number | undefined): Reference {
  return { fileId, vectorStoreId, ...(createdAt !== undefined && { uploadedAt: toIsoTime(createdAt * 1000) }) }
}

function placeOf({ fileId, vectorStoreId }: Reference): Place {
  if (typeof fileId === 'string' && typeof vectorStoreId === 'string') return { fileId, vectorStoreId }
  throw new WindlassError('corrupt', 'openai: a reference names no fileId and vectorStoreId: remove it from the sync state, and run again', { path: 'reference' })
}
