import { compareUtf8 } from '../../src/base/bytes.ts'
import type { PutCondition } from '../../src/store/object-store.ts'

export interface BucketObject {
  readonly bytes: Uint8Array
  readonly etag: string
  readonly lastModified: number
}

/** What happened to an object, in the order in which it happened. */
export interface BucketEvent {
  readonly index: number
  /** World time. */
  readonly at: number
  readonly kind: 'put' | 'delete'
  readonly key: string
  readonly by: string
  /** When its request was sent. */
  readonly sentAt: number
  /** Absent for a delete. */
  readonly bytes?: Uint8Array
}

/**
 * The bucket as its servers have it: every effect is atomic, and recorded for the omniscient observer.
 * ETags are hashes of the content, as with S3: equal bytes have equal ETags.
 */
export class Bucket {
  readonly objects = new Map<string, BucketObject>()
  readonly events: BucketEvent[] = []
  /** When who last began to list what: `process prefix`. */
  readonly listedAt = new Map<string, number>()
  /** Told of every effect, at its moment. */
  observe: (event: BucketEvent) => void = () => undefined

  /** @returns null when the condition does not hold. */
  put(key: string, bytes: Uint8Array, condition: PutCondition | undefined, at: number, date: number, by: string, sentAt = at): string | null {
    const current = this.objects.get(key)
    if (condition && ('ifAbsent' in condition ? current !== undefined : current?.etag !== condition.ifMatch)) return null
    const etag = hashOf(bytes)
    this.objects.set(key, { bytes, etag, lastModified: date })
    this.#record({ index: this.events.length, at, kind: 'put', key, by, sentAt, bytes })
    return etag
  }

  delete(key: string, at: number, by: string, sentAt = at): void {
    if (this.objects.delete(key)) this.#record({ index: this.events.length, at, kind: 'delete', key, by, sentAt })
  }

  /** At most `limit` keys after `startAfter`, in order. */
  page(prefix: string, startAfter: string, limit: number): { key: string; object: BucketObject }[] {
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && compareUtf8(key, startAfter) > 0)
    keys.sort(compareUtf8)
    return keys.slice(0, limit).map((key) => ({ key, object: this.objects.get(key)! }))
  }

  #record(event: BucketEvent): void {
    this.events.push(event)
    this.observe(event)
  }
}

/** ETag of some bytes. FNV-1a by Fowler, Noll and Vo, twice with different starts. */
export function hashOf(bytes: Uint8Array): string {
  let a = 0x811c9dc5
  let b = 0x01000193 ^ bytes.length
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 0x01000193)
    b = Math.imul(b ^ byte, 0x85ebca6b) ^ (b >>> 13)
  }
  return `"${(a >>> 0).toString(16)}${(b >>> 0).toString(16)}"`
}
