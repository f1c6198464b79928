import { mkdir, open, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { newNonce, type Random } from '../base/random.ts'
import type { GetOptions, GetResult, ObjectStore, StoredObject } from './object-store.ts'
import { WrappingStore } from './wrapping-store.ts'

/** What is kept, and where. */
export interface DiskCacheSettings {
  readonly folder: string
  /** The file never grows beyond this. */
  readonly budgetBytes: number
  /** Whether an object never changes: only ranges of such are kept. */
  readonly isImmutable: (key: string) => boolean
}

/** What is read and kept at a time: about what a cluster's list takes, and little beside the row of a vector. */
const blockBytes = 16 * 1024
/** Blocks that wait to be written; more are not kept. */
const pendingMax = 2048

interface Block {
  readonly slot: number
  readonly checksum: number
}

type Facts = Pick<StoredObject, 'etag' | 'size' | 'lastModified'>

/**
 * Keeps ranges of immutable objects in one file on the local disk, in blocks of 16 KiB, least recently used first to go. The file has no name
 * once it is open, so nothing of it outlives the process, however that ends. Every block is checked when it is read back; a disk that is full,
 * read-only or broken only means that less is kept.
 */
export class DiskCacheStore extends WrappingStore {
  readonly #settings: DiskCacheSettings
  readonly #random: Random
  readonly #slotsMax: number
  // In order of use, by key and number of the block.
  readonly #blocks = new Map<string, Block>()
  readonly #facts = new Map<string, Facts>()
  readonly #free: number[] = []
  #slotNext = 0
  #pending = 0
  #file: Promise<FileHandle | null> | null = null

  constructor(inner: ObjectStore, settings: DiskCacheSettings, random: Random) {
    super(inner)
    this.#settings = settings
    this.#random = random
    this.#slotsMax = Math.floor(settings.budgetBytes / blockBytes)
  }

  /** Bytes of the file that hold something. */
  get usedBytes(): number {
    return this.#blocks.size * blockBytes
  }

  override async get(key: string, options: GetOptions = {}): Promise<GetResult> {
    const { range, fresh, ifNoneMatch } = options
    if (this.#slotsMax === 0 || !range || 'suffix' in range || range.end <= range.start || fresh || ifNoneMatch !== undefined || !this.#settings.isImmutable(key)) return this.inner.get(key, options)
    const first = Math.floor(range.start / blockBytes)
    const last = Math.floor((range.end - 1) / blockBytes)
    const kept = await Promise.all(Array.from({ length: last - first + 1 }, (_, i) => this.#read(key, first + i)))
    const fetched = await this.#fetch(key, first, kept, options)
    if ('kind' in fetched) return fetched
    const facts = this.#facts.get(key)!
    const bytes = new Uint8Array(Math.max(0, Math.min(range.end, facts.size) - range.start))
    fetched.forEach((block, i) => {
      const from = (first + i) * blockBytes - range.start
      if (from >= bytes.length) return
      const part = block.subarray(Math.max(0, -from), Math.max(0, bytes.length - from))
      bytes.set(part, Math.max(0, from))
    })
    return { kind: 'found', bytes, ...facts, date: undefined }
  }

  override async close(): Promise<void> {
    await (await this.#file)?.close().catch(() => undefined)
    this.#file = Promise.resolve(null)
    this.#blocks.clear()
    await super.close()
  }

  /** The blocks, those that are not kept read from the store in as few runs as they make. */
  async #fetch(key: string, first: number, kept: readonly (Uint8Array | null)[], options: GetOptions): Promise<Uint8Array[] | Exclude<GetResult, StoredObject>> {
    const blocks = kept.slice()
    const runs: { start: number; end: number }[] = []
    kept.forEach((block, i) => {
      if (block) return
      const run = runs.at(-1)
      if (run?.end === i) run.end = i + 1
      else runs.push({ start: i, end: i + 1 })
    })
    const answers = await Promise.all(runs.map(({ start, end }) => this.inner.get(key, { ...options, range: { start: (first + start) * blockBytes, end: (first + end) * blockBytes } })))
    for (const [r, answer] of answers.entries()) {
      if (answer.kind !== 'found') return answer
      const { etag, size, lastModified, bytes } = answer
      if (!this.#facts.has(key)) this.#facts.set(key, { etag, size, lastModified })
      const { start, end } = runs[r]!
      for (let i = start; i < end; i++) {
        const block = bytes.subarray((i - start) * blockBytes, (i - start + 1) * blockBytes)
        blocks[i] = block
        void this.#keep(key, first + i, block)
      }
    }
    return blocks as Uint8Array[]
  }

  /** A block from the file; null where it is not kept, or not what was kept. */
  async #read(key: string, number: number): Promise<Uint8Array | null> {
    const name = nameOf(key, number)
    const block = this.#blocks.get(name)
    const facts = this.#facts.get(key)
    if (facts && number * blockBytes >= facts.size) return new Uint8Array(0)
    if (!block || !facts) return null
    this.#blocks.delete(name)
    this.#blocks.set(name, block)
    const bytes = new Uint8Array(Math.min(blockBytes, facts.size - number * blockBytes))
    const file = await this.#file
    const answer = await file?.read(bytes, 0, bytes.length, block.slot * blockBytes).catch(() => null)
    // The slot may hold another block by now.
    if (answer?.bytesRead === bytes.length && crc32(bytes) === block.checksum) return bytes
    if (this.#blocks.get(name) === block) {
      this.#blocks.delete(name)
      this.#free.push(block.slot)
    }
    return null
  }

  async #keep(key: string, number: number, bytes: Uint8Array): Promise<void> {
    const name = nameOf(key, number)
    if (bytes.length === 0 || this.#blocks.has(name) || this.#pending >= pendingMax) return
    this.#pending++
    try {
      const file = await (this.#file ??= this.#open())
      if (!file) return
      const slot = this.#takeSlot()
      try {
        await file.write(bytes, 0, bytes.length, slot * blockBytes)
      } catch {
        this.#free.push(slot)
        return
      }
      if (this.#blocks.has(name)) this.#free.push(slot)
      else this.#blocks.set(name, { slot, checksum: crc32(bytes) })
    } finally {
      this.#pending--
    }
  }

  #takeSlot(): number {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#slotNext < this.#slotsMax) return this.#slotNext++
    for (const [name, { slot }] of this.#blocks) {
      this.#blocks.delete(name)
      return slot
    }
    // All slots are being written: one more than the budget, for a moment.
    return this.#slotNext++
  }

  async #open(): Promise<FileHandle | null> {
    const path = join(this.#settings.folder, `windlass-cache-${process.pid}-${newNonce(this.#random).slice(0, 8)}`)
    try {
      await mkdir(this.#settings.folder, { recursive: true })
      const file = await open(path, 'wx+', 0o600)
      await unlink(path)
      return file
    } catch {
      return null
    }
  }
}

function nameOf(key: string, block: number): string {
  return `${key}\0${block}`
}
