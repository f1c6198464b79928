import type { Clock } from '../../../src/base/clock.ts'
import type { Random } from '../../../src/base/random.ts'

export type Attributes = Readonly<Record<string, string | number | boolean>>
export type ChunkingStrategy = { type: 'static'; static: { max_chunk_size_tokens: number; chunk_overlap_tokens: number } }
export type LastError = { code: 'server_error' | 'unsupported_file' | 'invalid_file'; message: string }
export type FileStatus = 'in_progress' | 'completed' | 'failed' | 'cancelled'

/** An uploaded File. `content` is null when it was too big to keep. */
export interface StoredFile {
  readonly id: string
  readonly filename: string
  readonly purpose: string
  readonly bytes: number
  readonly content: Uint8Array | null
  readonly createdAt: number
}

/** A File in a vector store. Outlives its File, as in reality nothing promises otherwise. */
export interface StoreEntry {
  readonly id: string
  readonly createdAt: number
  attributes: Attributes
  readonly chunking: ChunkingStrategy
  /** Processing is done when the clock shows this. */
  readonly readyAt: number
  readonly failure: LastError | null
  cancelled: boolean
  /** What a search sees: taken when it was attached, and kept when the File goes. */
  readonly chunks: readonly string[]
  readonly filename: string
}

export interface FileBatch {
  readonly id: string
  readonly createdAt: number
  readonly fileIds: readonly string[]
  /** Entries as they were made for this batch: one may be detached meanwhile. */
  readonly entries: readonly StoreEntry[]
  cancelled: boolean
}

export interface VectorStore {
  readonly id: string
  name: string | null
  metadata: Readonly<Record<string, string>>
  expiresAfter: { anchor: 'last_active_at'; days: number } | null
  readonly createdAt: number
  lastActiveAt: number
  readonly entries: Map<string, StoreEntry>
  readonly batches: Map<string, FileBatch>
}

export interface PendingUpload {
  readonly id: string
  readonly filename: string
  readonly bytes: number
  readonly purpose: string
  readonly createdAt: number
  status: 'pending' | 'completed' | 'cancelled'
  file: StoredFile | null
  readonly parts: Map<string, { bytes: number; content: Uint8Array | null; createdAt: number }>
}

/** One answered request, for tests that count. */
export interface JournalEntry {
  readonly method: string
  /** Below `/v1`, with ids. */
  readonly path: string
  /** 0 when the connection was cut instead. */
  readonly status: number
}

/** All that the double knows; tests read it, and may change it to make drift. */
export class OpenAiState {
  readonly files = new Map<string, StoredFile>()
  readonly uploads = new Map<string, PendingUpload>()
  readonly stores = new Map<string, VectorStore>()
  readonly journal: JournalEntry[] = []
  /** Tokens that were embedded. */
  embeddedTokens = 0
  readonly clock: Clock
  readonly #random: Random
  /** How long a file that is attached from now on is processed. */
  processingMs: number
  /** Overrules the judgement by extension; null: by extension. */
  judge: (file: StoredFile) => LastError | null | undefined

  constructor({ clock, random, processingMs }: { clock: Clock; random: Random; processingMs: number }) {
    this.clock = clock
    this.#random = random
    this.processingMs = processingMs
    this.judge = () => undefined
  }

  /** Unix seconds, as the API tells times. */
  seconds(): number {
    return Math.floor(this.clock.now() / 1000)
  }

  newId(prefix: string): string {
    return prefix + Array.from(this.#random.bytes(12), (byte) => byte.toString(16).padStart(2, '0')).join('')
  }

  statusOf(entry: StoreEntry): FileStatus {
    if (entry.cancelled) return 'cancelled'
    if (this.clock.now() < entry.readyAt) return 'in_progress'
    return entry.failure ? 'failed' : 'completed'
  }

  /** How many requests there were whose `METHOD /path` matches. */
  count(pattern: RegExp): number {
    return this.journal.filter(({ method, path }) => pattern.test(`${method} ${path}`)).length
  }
}
