import { WindlassError } from '../../../base/errors.ts'
import { indexOf, type IndexName } from '../names.ts'

/** Where an index is, as a person writes it. */
export type PlaceText =
  | { readonly kind: 'service'; readonly index: IndexName; readonly region?: string }
  /** Without a URL: the configured bucket. */
  | { readonly kind: 'bucket'; readonly url?: string; readonly collection: string }

const arnPattern = /^arn:aws[-a-z0-9]*:s3vectors:([a-z0-9-]+):\d{12}:bucket\/([^/]+)\/index\/([^/]+)$/

/**
 * `s3vectors://bucket/index` and an index's ARN are behind an S3 Vectors endpoint; `<bucket URL or folder>#<collection>` and a bare
 * collection name are in a bucket of ours.
 * @throws {WindlassError} `invalid`, with the spellings.
 */
export function parsePlace(text: string): PlaceText {
  const [, region, bucket, index] = arnPattern.exec(text) ?? []
  if (region !== undefined) return { kind: 'service', index: checkIndex(`${bucket}/${index}`, text), region }
  if (text.startsWith('s3vectors://')) return { kind: 'service', index: checkIndex(text.slice('s3vectors://'.length), text) }
  const hash = text.lastIndexOf('#')
  if (hash >= 0) {
    const [url, collection] = [text.slice(0, hash), text.slice(hash + 1)]
    if (collection === '') throw wrong(text, 'names no collection after #')
    if (url === '') return { kind: 'bucket', collection }
    // A folder may be written as such: what has no scheme is a path.
    return { kind: 'bucket', url: /^[a-z][a-z0-9+.-]+:/i.test(url) ? url : `file:${url}`, collection }
  }
  if (text === '' || /^[./~]|:/.test(text)) throw wrong(text, 'names no collection')
  return { kind: 'bucket', collection: text }
}

function checkIndex(name: string, text: string): IndexName {
  const index = indexOf(name)
  if (!index) throw wrong(text, 'is no index: bucket and index are 3 to 63 of a-z, 0-9, dot and hyphen each')
  return index
}

function wrong(text: string, what: string): WindlassError {
  return new WindlassError('invalid', `${JSON.stringify(text)} ${what}: use s3vectors://bucket/index, ./folder#collection, s3://bucket/prefix#collection, or the name of a collection`, { path: 'place' })
}
