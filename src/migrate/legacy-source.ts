import { isWindlassError, messageOf } from '../base/errors.ts'
import type { ObjectStore } from '../store/object-store.ts'
import type { FieldNames } from './fields.ts'
import { readPieces, readWhole, wholeBytesMax, type Layout, type LayoutItem } from './layout.ts'
import type { PlacedItem, Position, RecordSource, SourceShape } from './source.ts'

/** All that is asked of the old bucket. Nothing in it can be written through this. */
export type OldBucket = Pick<ObjectStore, 'url' | 'list' | 'get' | 'head' | 'close'>

export interface LegacySettings {
  readonly fields: FieldNames
  /** Where vectors lie; default `vectors/`. */
  readonly vectorsPrefix: string
  readonly metric: 'cosine' | 'euclidean' | 'dot'
}

const aheadMax = 48
const aheadBytesMax = 32 * 1024 * 1024
const pieceBytes = 8 * 1024 * 1024

/** How a record was read, for whoever looks at the layout. */
export type Looked = LayoutItem & { readonly object: string; readonly objectBytes: number }

interface Listed {
  readonly key: string
  readonly size: number
}

/** The home-made layout: vectors as JSON below a prefix of an ordinary bucket, in any arrangement that `readWhole` knows. */
export class LegacySource implements RecordSource {
  readonly title: string
  readonly #bucket: OldBucket
  readonly #settings: LegacySettings

  constructor(bucket: OldBucket, settings: LegacySettings) {
    this.#bucket = bucket
    this.#settings = settings
    this.title = `${bucket.url}/${settings.vectorsPrefix}`
  }

  describe(): Promise<SourceShape> {
    return Promise.resolve({ metric: this.#settings.metric, dimension: null, count: null })
  }

  /** In the order of the objects' keys, and of the records in them. */
  async *read(after: Position | null): AsyncIterable<PlacedItem> {
    for await (const { object, index, read, isLast } of this.look(after)) {
      const where = index === undefined ? object : `${object}, item ${index + 1}`
      const position = { object, item: isLast ? -1 : (index ?? 0) }
      if ('reason' in read) yield { problem: { where, reason: read.reason }, position }
      else yield { record: read.record, position, where }
    }
  }

  /** As `read`, with how each record was found. */
  async *look(after: Position | null): AsyncGenerator<Looked & { isLast: boolean }> {
    const startAfter = after ? String(after.object) : undefined
    const isWhole = !after || after.item === -1
    if (after && !isWhole) {
      const size = (await this.#bucket.head(startAfter!))?.size
      if (size !== undefined) for await (const item of this.#itemsOf({ key: startAfter!, size })) if ((item.index ?? 0) > Number(after.item)) yield item
    }
    yield* this.#inOrder(this.#objects(startAfter))
  }

  /** Objects that hold vectors, in order of their keys. */
  async *#objects(startAfter?: string): AsyncGenerator<Listed> {
    for await (const { key, size } of this.#bucket.list(this.#settings.vectorsPrefix, startAfter === undefined ? {} : { startAfter })) {
      // What consoles make to show a folder.
      if (!(key.endsWith('/') && size === 0)) yield { key, size }
    }
  }

  /** Reads small objects ahead, many at once, and gives them one after another. */
  async *#inOrder(objects: AsyncGenerator<Listed>): AsyncGenerator<Looked & { isLast: boolean }> {
    const ahead: { object: Listed; bytes: Promise<Uint8Array | null> | null }[] = []
    let aheadBytes = 0
    let isListed = false
    try {
      for (;;) {
        while (!isListed && ahead.length < aheadMax && (ahead.length === 0 || aheadBytes < aheadBytesMax)) {
          const next = await objects.next()
          if (next.done) {
            isListed = true
            break
          }
          const isSmall = next.value.size <= wholeBytesMax
          const bytes = isSmall ? this.#fetch(next.value.key) : null
          bytes?.catch(() => undefined)
          ahead.push({ object: next.value, bytes })
          aheadBytes += isSmall ? next.value.size : 0
        }
        const first = ahead.shift()
        if (!first) return
        if (first.bytes) aheadBytes -= first.object.size
        yield* this.#itemsOf(first.object, first.bytes)
      }
    } finally {
      await objects.return(undefined)
    }
  }

  async *#itemsOf(object: Listed, bytes: Promise<Uint8Array | null> | null = null): AsyncGenerator<Looked & { isLast: boolean }> {
    const { key, size } = object
    let held: Looked | null = null
    for await (const item of this.#layoutItems(object, bytes)) {
      if (held) yield { ...held, isLast: false }
      held = { ...item, object: key, objectBytes: size }
    }
    // An empty list has no record, and nothing is wrong with it.
    if (held) yield { ...held, isLast: true }
  }

  async *#layoutItems({ key, size }: Listed, fetched: Promise<Uint8Array | null> | null): AsyncGenerator<LayoutItem> {
    const context = { fields: this.#settings.fields, name: nameOf(key, this.#settings.vectorsPrefix) }
    const failed = (reason: string): LayoutItem => ({ layout: 'one record' as Layout, read: { reason } })
    try {
      if (size > wholeBytesMax) yield* readPieces(this.#texts(key, size), context)
      else {
        const bytes = await (fetched ?? this.#fetch(key))
        if (bytes) yield* readWhole(bytes, context)
        else yield failed('it was there when the bucket was listed, and is gone')
      }
    } catch (error) {
      // A bucket that does not answer is no damaged object: the run ends, and is continued later.
      if (isWindlassError(error, 'unavailable', 'denied', 'unauthenticated', 'cancelled')) throw error
      yield failed(messageOf(error))
    }
  }

  async #fetch(key: string): Promise<Uint8Array | null> {
    const answer = await this.#bucket.get(key)
    return answer.kind === 'found' ? answer.bytes : null
  }

  async *#texts(key: string, size: number): AsyncGenerator<string> {
    const decoder = new TextDecoder('utf-8', { fatal: true })
    for (let start = 0; start < size; start += pieceBytes) {
      const answer = await this.#bucket.get(key, { range: { start, end: Math.min(start + pieceBytes, size) } })
      if (answer.kind !== 'found') throw new Error('it went away while it was read')
      yield decoder.decode(answer.bytes, { stream: start + pieceBytes < size })
    }
  }

  async close(): Promise<void> {
    await this.#bucket.close?.()
  }
}

/** A record's id where the object is the record: its key without prefix and extension; of a file that is named alone, all of its name. */
function nameOf(key: string, prefix: string): string {
  if (key === prefix) return key.slice(key.lastIndexOf('/') + 1)
  return key.slice(prefix.length).replace(/\.(json|jsonl|ndjson)$/i, '')
}
