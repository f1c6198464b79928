import { isWindlassError, WindlassError, type ErrorKind } from '../../base/errors.ts'
import type { ObjectStore } from '../../store/object-store.ts'
import type { SourceDocument } from '../document-index.ts'
import { BucketSource } from './bucket-source.ts'
import { FolderSource } from './folder-source.ts'
import type { Source } from './source.ts'

/**
 * The file at `path` or those below it, to be put into an index one by one. A document's identity is its path as typed.
 * @throws {WindlassError} `not-found` when nothing is there.
 */
export function folderDocuments(path: string): AsyncIterable<SourceDocument> {
  const source = new FolderSource(path)
  return sourceDocuments(source, (each) => source.typedPath(each), ['not-found', 'denied', 'unavailable'])
}

/**
 * The object at `prefix` or those below it, to be put into an index one by one. A document's identity is the URL of its object.
 * @throws {WindlassError} `not-found` when nothing is there.
 */
export function bucketDocuments(store: ObjectStore, prefix: string): AsyncIterable<SourceDocument> {
  const source = new BucketSource(store, { prefix })
  return sourceDocuments(source, (path) => source.urlOf(path), ['not-found'])
}

/** @param ofOne Kinds of errors that are about one document and none of the others: an index of many goes on after a `conflict`. */
async function* sourceDocuments(source: Source, nameOf: (path: string) => string, ofOne: readonly ErrorKind[]): AsyncIterable<SourceDocument> {
  const { entries } = await source.list()
  for await (const entry of entries) {
    const { path, sizeBytes } = entry
    const open = async function* () {
      try {
        const content = await source.read(entry)
        if (content.kind === 'found') yield* content.bytes()
      } catch (error) {
        throw isWindlassError(error, ...ofOne) ? new WindlassError('conflict', error.message, { path, cause: error }) : error
      }
    }
    yield { source: nameOf(path), open, ...(sizeBytes !== undefined && { size: sizeBytes }) }
  }
}
