import { WindlassError } from '../../base/errors.ts'
import { dataPrefix } from '../../format/catalog-entry.ts'
import { deletesKey } from '../../format/deletes.ts'
import { decodeManifest, manifestKey, type Manifest } from '../../format/manifest.ts'
import { segmentKey } from '../../format/segment.ts'
import type { ObjectStore } from '../../store/object-store.ts'

/** The manifest as it stands in the bucket. */
export interface LoadedManifest {
  readonly manifest: Manifest
  readonly bytes: Uint8Array
  readonly etag: string
  readonly date: number | undefined
}

/**
 * Reads the manifest.
 * @throws {WindlassError} `corrupt` when it is absent: a catalog entry names the collection, so this is damage;
 *   reading it as an empty collection would start the log again over what is there (docs/protocol.md, D4).
 */
export async function loadManifest(store: ObjectStore, prefix: string, signal?: AbortSignal): Promise<LoadedManifest> {
  const loaded = await loadManifestIfChanged(store, prefix, undefined, signal)
  if (loaded.kind !== 'changed') throw new Error('unreachable: no etag was given')
  return loaded.loaded
}

/** As `loadManifest`, of an id that may never have been finished: null where there is no manifest. */
export async function findManifest(store: ObjectStore, prefix: string): Promise<LoadedManifest | null> {
  const key = prefix + manifestKey
  const answer = await store.get(key, { fresh: true })
  if (answer.kind !== 'found') return null
  return { manifest: decodeManifest(answer.bytes, key), bytes: answer.bytes, etag: answer.etag, date: answer.date }
}

/** As `loadManifest`, but answers `unchanged` while it still has `etag`. */
export async function loadManifestIfChanged(
  store: ObjectStore,
  prefix: string,
  etag: string | undefined,
  signal?: AbortSignal,
): Promise<{ kind: 'changed'; loaded: LoadedManifest } | { kind: 'unchanged'; date: number | undefined }> {
  const key = prefix + manifestKey
  const answer = await store.get(key, { fresh: true, ...(etag && { ifNoneMatch: etag }), ...(signal && { signal }) })
  if (answer.kind === 'unchanged') return { kind: 'unchanged', date: answer.date }
  if (answer.kind === 'absent') {
    throw new WindlassError('corrupt', `${store.url}: ${key} is missing, although the catalog names it: run windlass repair`, { key })
  }
  const { bytes, date } = answer
  return { kind: 'changed', loaded: { manifest: decodeManifest(bytes, key), bytes, etag: answer.etag, date } }
}

/** Whether a manifest needs the segment or bitmap that lies under `key`, in its own collection's folder or in another's. */
export function namesObject({ collectionId, segments, state }: Manifest, key: string): boolean {
  // Of what has ended everything is swept.
  if (state !== 'live') return false
  return segments.some(({ id, owner, deletes }) => {
    if (key === dataPrefix(owner ?? collectionId) + segmentKey(id)) return true
    return deletes !== null && key === dataPrefix(deletes.owner ?? collectionId) + deletesKey(deletes.id)
  })
}
