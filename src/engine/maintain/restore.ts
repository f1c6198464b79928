import { isWindlassError, WindlassError } from '../../base/errors.ts'
import { manifestKey, type Manifest, type Pin } from '../../format/manifest.ts'
import { findManifest } from '../commit/manifest-object.ts'
import { replaceManifest } from '../commit/replace-manifest.ts'
import type { CollectionCore } from '../core.ts'

/**
 * Notes in a branch the number at which the log of the collection that it replaces will end. Who finds the branch abandoned takes that
 * number away before it drops the branch, so that of the two exactly one happens.
 * @throws {WindlassError} `expired` when the branch has been dropped.
 */
export async function noteRestore(child: CollectionCore, from: CollectionCore, at: number): Promise<void> {
  for (;;) {
    const base = await findManifest(child.context.store, child.prefix)
    if (base?.manifest.state !== 'live') throw new WindlassError('expired', `restoring ${from.id} took longer than the grace period, and was given up meanwhile: try again`, { key: child.prefix })
    if (base.manifest.restores?.at === at) return
    await replaceManifest(child, base, { restores: { from: from.id, at } })
  }
}

/** Whether a collection is made to take the place of `id`, and does not have its snapshots yet: until then those of `id` stay. */
export function isToReplace(id: string, { state, restores }: Manifest): boolean {
  return state === 'live' && restores?.from === id
}

/**
 * Gives a collection the snapshots of the one whose place it takes, whose log has ended; before the name is moved, so that nobody has
 * pinned anything here yet. Who finds it done does nothing: any number of processes may finish one restore, however late.
 *
 * The old manifest is put once more first: who pins or unpins there looks at the log after reading the manifest, so from then on either
 * sees the end or loses the race, and its pins are final (docs/protocol.md, E3).
 */
export async function inheritSnapshots(child: CollectionCore, from: CollectionCore): Promise<void> {
  const { store } = from.context
  for (let missed = false; ; ) {
    const base = await findManifest(store, child.prefix)
    if (!base || !isToReplace(from.id, base.manifest)) return
    const old = await findManifest(store, from.prefix)
    if (!old) {
      // Gone since the first look, with another's help; else it is damage.
      if (missed) throw new WindlassError('corrupt', `${store.url}: ${from.prefix}${manifestKey} is missing, and ${child.id} needs its snapshots: run windlass repair`, { key: from.prefix + manifestKey })
      missed = true
      continue
    }
    const pins = await finalPins(from, old)
    if (!pins) continue
    const branches = base.manifest.pins.filter(({ kind }) => kind === 'branch')
    if ((await replaceManifest(child, base, { pins: [...branches, ...pins], restores: undefined })).isDone) return
  }
}

/** @returns null when another was faster. */
async function finalPins(from: CollectionCore, old: Parameters<typeof replaceManifest>[1]): Promise<Pin[] | null> {
  try {
    const { isDone, standing } = await replaceManifest(from, old, {})
    if (!isDone) return null
    return standing.manifest.pins.filter(({ kind }) => kind === 'snapshot').map((pin) => ({ ...pin, owner: pin.owner ?? from.id }))
  } catch (error) {
    if (!isWindlassError(error, 'not-found')) throw error
    return null
  }
}
