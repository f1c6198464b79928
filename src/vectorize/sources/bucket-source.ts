import { WindlassError } from '../../base/errors.ts'
import type { ObjectStore } from '../../store/object-store.ts'
import type { SourceDocument } from '../document-index.ts'
import { isPlainlyNotText } from './skipped-files.ts'

// One range a request: large enough that latency does not count, small enough for memory.
const rangeBytes = 8 * 1024 * 1024

/**
 * The objects of a store whose keys start with `prefix`, but those that are plainly not text. Only lists and reads: credentials that
 * may not write suffice. A document's identity is the URL of its object.
 * @param prefix A whole key, or a folder without its slash.
 * @throws {WindlassError} `not-found` when nothing is there.
 */
export async function* bucketSource(store: ObjectStore, url: string, prefix: string): AsyncIterable<SourceDocument> {
  let found = false
  for await (const { key, size } of store.list(prefix)) {
    // `docs` means the folder, not `docs-old`.
    if (prefix !== '' && key !== prefix && !key.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`)) continue
    found = true
    if (key.endsWith('/') || (key !== prefix && isPlainlyNotText(key))) continue
    yield { source: `${url}/${key}`, size, open: () => readObject(store, key) }
  }
  if (!found) throw new WindlassError('not-found', `${url}/${prefix}: no such object or prefix`, { path: prefix })
}

/** An object, range by range. @throws {WindlassError} `conflict` when it is replaced meanwhile. */
async function* readObject(store: ObjectStore, key: string): AsyncIterable<Uint8Array> {
  let etag: string | null = null
  for (let start = 0, size = Infinity; start < size; start += rangeBytes) {
    const answer = await store.get(key, { range: { start, end: start + rangeBytes } })
    if (answer.kind !== 'found') throw new WindlassError('conflict', `${key} was deleted while it was read`, { key })
    if (etag !== null && answer.etag !== etag) throw new WindlassError('conflict', `${key} was replaced while it was read: index it again`, { key })
    etag = answer.etag
    size = answer.size
    yield answer.bytes
  }
}
