import { WindlassError } from '../base/errors.ts'
import type { ObjectStore } from '../store/object-store.ts'

/** Says that a copy of another bucket to this one is under way, from where, and which run of it. */
export const copyMarkKey = 'copy-under-way'

/** @throws {WindlassError} `conflict` where a copy to this bucket is under way: it would meet a collection that is made now, and could not end. */
export async function expectNoCopy(store: ObjectStore): Promise<void> {
  if ((await store.get(copyMarkKey, { fresh: true })).kind !== 'found') return
  throw new WindlassError('conflict', `a copy of another bucket to ${store.url} is under way, or was interrupted: let it finish, or start it again; to keep what is there, delete ${copyMarkKey}`, { key: copyMarkKey })
}
