import { messageOf, throwIfAborted, WindlassError, isWindlassError } from '../../../base/errors.ts'
import type { Attributes } from './attributes.ts'
import { getOrNull, listAll, type ApiBatch, type ApiEntry } from './openai-api.ts'
import type { OpenAiAnswer, OpenAiClient } from './openai-client.ts'

/** A File on its way into a vector store. */
export interface Attachment {
  readonly storeId: string
  readonly fileId: string
  /** The document's, for errors. */
  readonly path: string
  readonly attributes: Attributes
}

export interface AttachmentSettings {
  /** How long the first of a batch waits for others that are announced; when none are, nobody waits. */
  readonly batchDelayMs: number
  /** At most 2,000. */
  readonly batchFilesMax: number
  /** How long OpenAI may take to process a batch. */
  readonly processingMaxMs: number
  readonly chunking?: { readonly maxTokens: number; readonly overlapTokens: number }
}

interface Waiting extends Attachment {
  settle(error?: unknown): void
}

const pollMs = 1000
const pollMaxMs = 5000

/** Puts Files into a vector store, many with one request where many come at about the same time, and waits until they are processed. */
export class Attachments {
  readonly #client: OpenAiClient
  readonly #settings: AttachmentSettings
  readonly #waiting = new Map<string, Waiting[]>()
  #announced = 0

  constructor(client: OpenAiClient, settings: AttachmentSettings) {
    this.#client = client
    this.#settings = settings
  }

  /** Tells that a File is on its way to `attach`. @returns What to call once it has arrived, or never will. */
  announce(): () => void {
    let isComing = true
    this.#announced++
    return () => {
      if (!isComing) return
      isComing = false
      if (--this.#announced === 0) for (const [storeId, batch] of [...this.#waiting]) this.#flush(storeId, batch)
    }
  }

  /**
   * Resolves when it can be found.
   * @throws {WindlassError} `invalid` with OpenAI's reason when it cannot be read; `cancelled` at once, and the File may still be attached.
   */
  async attach(attachment: Attachment, signal?: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    await new Promise<void>((resolve, reject) => {
      const cancel = () => reject(new WindlassError('cancelled', 'cancelled by the caller', { cause: signal?.reason }))
      signal?.addEventListener('abort', cancel, { once: true })
      const settle = (error?: unknown) => {
        signal?.removeEventListener('abort', cancel)
        if (error === undefined) resolve()
        else reject(error as Error)
      }
      this.#add({ ...attachment, settle })
    })
  }

  #add(attachment: Waiting): void {
    const { batchDelayMs, batchFilesMax } = this.#settings
    const batch = this.#waiting.get(attachment.storeId)
    if (batch) {
      batch.push(attachment)
      if (batch.length >= batchFilesMax) this.#flush(attachment.storeId, batch)
      return
    }
    const opened = [attachment]
    this.#waiting.set(attachment.storeId, opened)
    if (batchFilesMax <= 1 || this.#announced === 0) return this.#flush(attachment.storeId, opened)
    void this.#client.clock.sleep(batchDelayMs).then(() => this.#flush(attachment.storeId, opened))
  }

  /** Sends a batch, once: the timer and the last to fit may both ask for it. */
  #flush(storeId: string, batch: Waiting[]): void {
    if (this.#waiting.get(storeId) !== batch) return
    this.#waiting.delete(storeId)
    const sent = batch.length === 1 ? this.#attachOne(batch[0]!) : this.#attachBatch(storeId, batch)
    sent.catch((error: unknown) => {
      for (const each of batch) each.settle(error)
    })
  }

  async #attachOne(attachment: Waiting): Promise<void> {
    const { storeId, fileId, path, attributes } = attachment
    const operation = `attach ${path}`
    // Repeating is safe: an entry's id is the File's.
    try {
      await this.#client.send({ method: 'POST', path: `/vector_stores/${storeId}/files`, operation, json: { file_id: fileId, attributes, ...this.#chunking() } })
    } catch (error) {
      if (!isWindlassError(error, 'invalid') || (await getOrNull(this.#client, `/files/${fileId}`, operation))) throw error
      throw new WindlassError('unavailable', `openai: ${path}: its File was removed by somebody else before it was attached: run again`, { operation, cause: error })
    }
    const entry = (await this.#poll(`/vector_stores/${storeId}/files/${fileId}`, operation)) as ApiEntry
    attachment.settle(failureOf(entry, path))
  }

  async #attachBatch(storeId: string, batch: readonly Waiting[]): Promise<void> {
    const operation = `attach ${batch.length} files`
    const files = batch.map(({ fileId, attributes }) => ({ file_id: fileId, attributes, ...this.#chunking() }))
    let id: string
    try {
      id = ((await this.#client.send({ method: 'POST', path: `/vector_stores/${storeId}/file_batches`, operation, json: { files } })).value as ApiBatch).id
    } catch (error) {
      if (!isWindlassError(error, 'invalid', 'too-large')) throw error
      // One that is refused takes the batch with it: each alone tells which.
      await Promise.all(batch.map((each) => this.#attachOne(each).catch((reason: unknown) => each.settle(reason))))
      return
    }
    const place = `/vector_stores/${storeId}/file_batches/${id}`
    const { status, file_counts: counts } = (await this.#poll(place, operation)) as ApiBatch
    const entries = new Map<string, ApiEntry>()
    const areAllDone = status === 'completed' && counts.completed === batch.length
    if (!areAllDone) for await (const entry of listAll<ApiEntry>(this.#client, `${place}/files`, { limit: '100' }, operation)) entries.set(entry.id, entry)
    for (const each of batch) {
      if (areAllDone) each.settle()
      else {
        const entry = entries.get(each.fileId) ?? (await getOrNull<ApiEntry>(this.#client, `/vector_stores/${storeId}/files/${each.fileId}`, `attach ${each.path}`))
        each.settle(failureOf(entry, each.path))
      }
    }
  }

  async #poll(path: string, operation: string): Promise<ApiBatch | ApiEntry> {
    const { clock } = this.#client
    const start = clock.monotonic()
    for (let waitMs = pollMs; ; waitMs = Math.min(pollMaxMs, waitMs * 1.5)) {
      const answer = await this.#client.send({ method: 'GET', path, operation, isPoll: true })
      const value = answer.value as ApiBatch | ApiEntry
      if (value.status !== 'in_progress') return value
      const elapsed = clock.monotonic() - start
      if (elapsed > this.#settings.processingMaxMs) throw new WindlassError('unavailable', `openai: ${operation}: still being processed after ${Math.round(elapsed / 1000)} s: run again later`, { operation })
      await clock.sleep(pollAfterMs(answer) ?? waitMs)
    }
  }

  #chunking(): object {
    const { chunking } = this.#settings
    return chunking ? { chunking_strategy: { type: 'static', static: { max_chunk_size_tokens: chunking.maxTokens, chunk_overlap_tokens: chunking.overlapTokens } } } : {}
  }
}

function pollAfterMs({ headers }: OpenAiAnswer): number | null {
  const ms = Number(headers.get('openai-poll-after-ms') ?? Number.NaN)
  return ms >= 0 ? ms : null
}

function failureOf(entry: ApiEntry | null, path: string): WindlassError | undefined {
  if (entry?.status === 'completed') return undefined
  if (entry?.status === 'failed') {
    const { code, message } = entry.last_error ?? { code: 'unknown', message: 'no reason given' }
    return new WindlassError(code === 'server_error' ? 'unavailable' : 'invalid', `openai: ${path}: cannot be processed: ${code}: ${messageOf(message)}`, { operation: `attach ${path}` })
  }
  return new WindlassError('unavailable', `openai: ${path}: ${entry ? `is ${entry.status}` : 'was removed'} while it was processed`, { operation: `attach ${path}` })
}
